"""Finds rows about people in the kept snapshots, which may have values that the load file no longer has."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from referral_warehouse.cli.published_personal import raw_names
from referral_warehouse.events import log_warning
from referral_warehouse.settings import Settings

if TYPE_CHECKING:
    from referral_warehouse.load.privacy.people import Rows


def snapshot_rows(settings: Settings, user_ids: Collection[int]) -> dict[int, dict[str, Rows]]:
    """The rows about people in published tables that have personal columns, those of all accounts too.

    Returns: for each person, rows by ``snapshot 12, core.users``, the oldest snapshot first.
    """
    from referral_warehouse.warehouse.snapshot_people import rows_about

    persons, wanted = _person_columns(), sorted(user_ids)
    unreadable: list[int] = []
    found: dict[int, dict[str, Rows]] = {user_id: {} for user_id in wanted}
    for number, table, row in rows_about(settings, persons, wanted, unreadable):
        found[row[persons[table]]].setdefault(f"snapshot {number}, {table}", []).append(row)
    if settings.together is not None:
        for number, table, row in rows_about(settings.together, persons, wanted, unreadable, settings.account):
            found[row[persons[table]]].setdefault(f"snapshot {number} of all accounts, {table}", []).append(row)
    for number in unreadable:
        log_warning("warehouse", "people", f"snapshot {number} cannot be read: what it holds of people is not known")
    return found


def _person_columns() -> dict[str, str]:
    """The published tables with personal columns that are about people, and the column with the id of the person."""
    from referral_warehouse.load.registry import TABLES
    from referral_warehouse.warehouse.snapshot_rewriting import personal_tables

    found = {}
    for table in personal_tables():
        schema = TABLES.get(table.partition(".")[2])
        if schema is not None and schema.person:
            published = {raw: name for name, raw in raw_names(table).items()}
            found[table] = published.get(schema.person, schema.person)
    return found
