"""Publishes personal columns without values, in the feeds alone or in the database too.

The columns stay because readers, saved queries and the descriptions for tools name them. Knows the headers of the
models, and no setting but ``publish_personal`` and ``feeds_have_personal``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from referral_warehouse.sql_quoting import identifier
from referral_warehouse.warehouse.connection import SEARCH_PATH
from referral_warehouse.warehouse.models import MODEL_LAYERS, PUBLISHED_LAYERS, load_models

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings
    from referral_warehouse.warehouse.models import Model

PUBLISHED, NOT_IN_FEEDS, LEFT_OUT = "published", "published, not in feeds", "left out"


def personal_state(settings: Settings) -> str:
    """Where personal columns have values, as the manifest says it."""
    if not settings.publish_personal:
        return LEFT_OUT
    return PUBLISHED if settings.feeds_have_personal else NOT_IN_FEEDS


def hidden_in_feeds(settings: Settings) -> dict[str, frozenset[str]]:
    """The columns of each published table that have no values in its feed."""
    return {} if settings.publish_personal and settings.feeds_have_personal else _personal_columns()


def hidden_in_database(settings: Settings) -> dict[str, frozenset[str]]:
    """The columns of each published table that have no values in the database."""
    return {} if settings.publish_personal else _personal_columns()


def _personal_columns() -> dict[str, frozenset[str]]:
    return {model.qualified_name: frozenset(model.personal) for model in load_models() if model.is_published}


def search_scratch_file_too(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a name such as ``core.users`` mean the table in the scratch file where the draft has none of that name."""
    for layer in PUBLISHED_LAYERS:
        connection.execute(f"create schema if not exists draft.{layer}; create schema if not exists scratch.{layer}")
    for layer in MODEL_LAYERS:
        connection.execute(f"create schema if not exists scratch.{layer}")
    further = ",".join(f"{catalog}.{layer}" for catalog in ("draft", "scratch") for layer in PUBLISHED_LAYERS)
    connection.execute(f"set search_path = '{SEARCH_PATH},{further}'")


def copy_without_personal(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Create a published table from the one in the scratch file, its personal columns without values.

    The values never reach the draft: a column that is emptied later would leave them in free blocks of the file.
    """
    kinds = {name: kind for name, kind, *_ in connection.execute(f"describe scratch.{model.qualified_name}").fetchall()}
    nulls = ", ".join(f"cast(null as {kinds[name]}) as {identifier(name)}" for name in model.personal)
    connection.execute(
        f"create table draft.{model.qualified_name} as select * replace ({nulls}) from scratch.{model.qualified_name}"
    )
