"""Publishes a snapshot to the lake in one transaction: readers see the old version or the new one.

A table with the same content as in the previous version is not written. Any other gets new rows; it is created anew if
its columns changed, or if personal values were removed from it. Knows the snapshot's files; knows nothing of how they
were built.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.sql_quoting import identifier, literal
from referral_warehouse.warehouse.exports import described_columns
from referral_warehouse.warehouse.lake.connection import end_transaction
from referral_warehouse.warehouse.lake.state import CONTROL, PUBLISHED, PUBLISHED_TABLES, LakeState, lake_state
from referral_warehouse.warehouse.published_snapshot import PublishedSnapshot, manifest_sha256
from referral_warehouse.warehouse.publisher import own_name
from referral_warehouse.warehouse.snapshot_description import impersonal_tables, keys_of
from referral_warehouse.workspace.current_snapshot import DATABASE

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings

AUTHOR = "referral-warehouse"


@dataclass(frozen=True, slots=True)
class LakePublication:
    """The result of a publication to the lake.

    Attributes:
        snapshot: the number of the snapshot that the lake shows now.
        written: how many tables were written; those that did not change are not.
        tables: how many tables the snapshot has.
        is_new: False when the lake showed the snapshot already.
    """

    snapshot: int
    written: int
    tables: int
    is_new: bool = True


def refuse_other_publisher(settings: Settings, state: LakeState | None) -> None:
    """Raises: ConfigurationError when another warehouse publishes into the lake."""
    if state is not None and state.publisher != own_name(settings):
        raise ConfigurationError(
            f"Another warehouse publishes into the lake of {settings.lake_catalog}; this one would replace its tables.",
            "Set WAREHOUSE__LAKE_CATALOG and WAREHOUSE__LAKE_DATA to places of its own. If that warehouse is no longer "
            f"used, run `update lake.{PUBLISHED} set publisher = '{own_name(settings)}'` there.",
        )


def publish_to_lake(
    lake: duckdb.DuckDBPyConnection, settings: Settings, wanted: PublishedSnapshot, refuse_lost_lock: Callable[[], None]
) -> LakePublication:
    """Publish a snapshot to the lake, unless it shows that snapshot already; the caller holds the lock of the lake.

    Args:
        lake: a connection with the lake attached.
        settings: of the warehouse.
        wanted: the snapshot.
        refuse_lost_lock: raises LakeUnavailable if the lock of the lake was lost.

    Raises: ConfigurationError when another warehouse publishes there; LakeUnavailable when the lock was lost; DuckDB's
    errors. The lake then keeps its last version.
    """
    state = lake_state(lake)
    refuse_other_publisher(settings, state)
    tables = wanted.manifest["tables"]
    if state is not None and state.manifest_sha256 == wanted.sha256:
        return LakePublication(wanted.number, 0, len(tables), is_new=False)
    lake.execute(f"attach {literal(wanted.folder / DATABASE)} as snapshot (read_only)")
    lake.execute("begin")
    try:
        contents = _contents(lake, wanted)
        is_rewritten = bool(wanted.manifest.get("rewritten")) or (
            state is not None and manifest_sha256(settings, state.snapshot) != state.manifest_sha256
        )
        before = {} if state is None else state.checksums
        written = _write_tables(lake, contents, before, is_rewritten=is_rewritten)
        _write_control(lake, settings, wanted, contents)
        info = {"snapshot": wanted.number, "manifest_sha256": wanted.sha256, "synced_at": wanted.manifest["synced_at"]}
        lake.execute(
            f"call lake.set_commit_message({literal(AUTHOR)}, {literal(f'snapshot {wanted.number}')}, "
            f"extra_info => {literal(json.dumps(info))})"
        )
        refuse_lost_lock()
        lake.execute("commit")
    except BaseException:
        end_transaction(lake)
        raise
    lake.execute("detach snapshot")
    return LakePublication(wanted.number, written, len(tables))


def _contents(lake: duckdb.DuckDBPyConnection, wanted: PublishedSnapshot) -> dict[str, str]:
    """What each table holds, as a checksum: that of its feed, with a digest of all rows where feeds leave columns out.

    Feeds have no personal values by default, so that the checksum of one is the same when an address has changed.
    """
    found = {}
    complete = impersonal_tables(wanted.folder)
    for name, table in wanted.manifest["tables"].items():
        found[name] = str(table["checksum"])
        if name not in complete:
            count, digest = digest_of_rows(lake, f"snapshot.{name}")
            found[name] += f" rows:{count}:{digest}"
    return found


def digest_of_rows(lake: duckdb.DuckDBPyConnection, table: str) -> tuple[int, int | None]:
    """The number of rows, and a checksum of all values in whatever order the rows are; None where there are none.

    Args: ``table`` may have a version, as in ``lake.core.users at (version => 3)``.
    """
    [(count, digest)] = lake.execute(f"select count(*), sum(hash(whole)) from (from {table}) as whole").fetchall()
    return count, digest


def _write_tables(
    lake: duckdb.DuckDBPyConnection, contents: dict[str, str], before: dict[str, str], *, is_rewritten: bool
) -> int:
    """Write the tables that changed and drop those that are gone. Returns: how many were written.

    Args: ``is_rewritten``: personal values may have been taken out since the publication before.
    """
    there, comments = described_columns(lake, "lake")
    columns, new_comments = described_columns(lake, "snapshot")
    schemas = {
        row[0]
        for row in lake.execute("select schema_name from duckdb_schemas() where database_name = 'lake'").fetchall()
    }
    for schema in sorted({name.partition(".")[0] for name in (*contents, *CONTROL)} - schemas):
        lake.execute(f"create schema lake.{schema}")
    for name in sorted(set(there) - set(contents) - set(CONTROL)):
        lake.execute(f"drop table lake.{name}")
    changed = [name for name, content in contents.items() if name not in there or before.get(name) != content]
    for name in changed:
        # the catalog keeps the smallest and largest value that a table ever had, until the table is dropped
        old_columns, new_columns = ([column[:2] for column in found] for found in (there.get(name, []), columns[name]))
        if old_columns == new_columns and not is_rewritten:
            lake.execute(f"delete from lake.{name}")
        else:
            lake.execute(f"create or replace table lake.{name} as from snapshot.{name} limit 0")
            there.pop(name, None)
            comments.pop(name, None)
        lake.execute(f"insert into lake.{name} from snapshot.{name}")
        old = {column: text for column, _, text in there.get(name, [])}
        if comments.get(name) != new_comments.get(name):
            lake.execute(f"comment on table lake.{name} is {_text(new_comments.get(name))}")
        for column, _, text in columns[name]:
            if old.get(column) != text:
                lake.execute(f"comment on column lake.{name}.{identifier(column)} is {_text(text)}")
    return len(changed)


def _write_control(
    lake: duckdb.DuckDBPyConnection, settings: Settings, wanted: PublishedSnapshot, contents: dict[str, str]
) -> None:
    """Write the rows of the control tables, which are created at the first publication."""
    there, _ = described_columns(lake, "lake")
    for name, (comment, columns) in CONTROL.items():
        if name in there:
            lake.execute(f"delete from lake.{name}")
            continue
        lake.execute(
            f"create table lake.{name} ({', '.join(f'{column} {kind}' for column, (kind, _) in columns.items())})"
        )
        lake.execute(f"comment on table lake.{name} is {literal(comment)}")
        for column, (_, text) in columns.items():
            lake.execute(f"comment on column lake.{name}.{column} is {literal(text)}")
    manifest = wanted.manifest
    row = [wanted.number, wanted.sha256, manifest["synced_at"], manifest["built_at"], manifest["schema_version"]]
    lake.execute(
        f"insert into lake.{PUBLISHED} values (?, ?, cast(? as timestamptz), cast(? as timestamptz), ?, ?)",
        [*row, own_name(settings)],
    )
    keys = keys_of(wanted.folder)
    rows = [[name, table["rows"], contents[name], keys.get(name, [])] for name, table in manifest["tables"].items()]
    marks = ", ".join("(?, ?, ?, ?)" for _ in rows)
    lake.execute(f"insert into lake.{PUBLISHED_TABLES} values {marks}", [value for row in rows for value in row])


def _text(text: str | None) -> str:
    return "null" if text is None else literal(text)
