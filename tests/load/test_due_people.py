"""Who is due to be forgotten, to the second: each kind of activity and each order of vanishing and reappearing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import duckdb
import pytest

from referral_warehouse.load.privacy.due_people import HeldPeople
from referral_warehouse.load.privacy.forgotten import NOBODY, Forgotten
from referral_warehouse.load.registry import TABLES
from referral_warehouse.sql_folder import sql_dir

BEFORE = datetime(2026, 3, 1)  # noqa: DTZ001 - naive UTC
OLD, NEW = "2026-02-28 23:59:59", "2026-03-01 00:00:00"
COLUMNS = {
    "rewards_due": "(recipient_id, _dlt_valid_from, _dlt_valid_to)",
    "rewards_issued": "(recipient_id, issued_at, _dlt_valid_from)",
    "coupons": "(referral_id, issued_at, used_at)",
    "observations": "(stream, id, what, observed_at)",
}


@pytest.fixture(scope="module")
def stored_once() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute("create schema raw")
        connection.execute((sql_dir() / "raw.sql").read_text("utf-8"))
        connection.execute(
            "insert into raw.users (id, first_name, date, _fetched_at) values "
            "(1, 'A', '2026-01-01', '2026-05-01'), (2, 'B', '2026-01-01', '2026-05-01')"
        )
        for stream in ("users", "rewards_due", "rewards_issued", "coupons"):
            connection.execute(f"insert into raw.run_streams (stream, observed_at) values ('{stream}', '2026-05-01')")
        yield connection


@pytest.fixture
def stored(stored_once: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A load file in memory in which users 1 and 2 have a name and joined in January; what a test adds is undone."""
    stored_once.execute("set timezone = 'America/New_York'")
    stored_once.execute("begin")
    yield stored_once
    stored_once.execute("rollback")


def _add(connection: duckdb.DuckDBPyConnection, table: str, *values: str | int | None) -> None:
    marks = ", ".join("?" for _ in values)
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"insert into raw.{table} {COLUMNS[table]} values ({marks})", list(values))
    connection.execute("set timezone = 'America/New_York'")


def _people(connection: duckdb.DuckDBPyConnection, forgotten: Forgotten = NOBODY) -> HeldPeople:
    return HeldPeople(connection, TABLES, forgotten)


@pytest.mark.parametrize(
    ("marks", "is_due"),
    [
        ([], False),
        ([("vanished", OLD)], True),
        ([("vanished", NEW)], False),
        ([("vanished", OLD), ("vanished", "2026-03-05")], True),
        ([("vanished", "2026-02-01"), ("reappeared", "2026-02-02")], False),
        ([("vanished", "2026-02-01"), ("reappeared", "2026-02-01")], False),
        ([("vanished", "2026-02-01"), ("reappeared", "2026-02-02"), ("vanished", "2026-03-05")], False),
        ([("vanished", "2026-02-01"), ("reappeared", "2026-02-02"), ("vanished", OLD)], True),
    ],
)
def test_a_deletion_counts_from_when_it_was_first_observed_since_the_person_was_there(
    stored: duckdb.DuckDBPyConnection, marks: list[tuple[str, str]], is_due: bool
) -> None:
    for what, at in marks:
        _add(stored, "observations", "users", 1, what, at)
    _add(stored, "observations", "coupons", 2, "vanished", OLD)
    assert _people(stored).deleted(BEFORE) == ([1] if is_due else [])


@pytest.mark.parametrize("at", [OLD, NEW])
@pytest.mark.parametrize(
    "activity",
    [
        "update raw.users set date = '{}' where id = 1",
        "update raw.users set qualified_at = '{}' where id = 1",
        "update raw.users set date = null, _fetched_at = '{}' where id = 1",
        "insert into raw.users (id, referrer_id, date) values (3, 1, '{}')",
        "insert into raw.rewards_due (recipient_id, _dlt_valid_from, _dlt_valid_to) values (1, '2026-01-02', '{}+00')",
        "insert into raw.rewards_issued (recipient_id, issued_at, _dlt_valid_from) values (1, '{}', '2026-05-01')",
        "insert into raw.rewards_issued (recipient_id, _dlt_valid_from) values (1, '{}+00')",
        "insert into raw.coupons (referral_id, issued_at) values (1, '{}')",
        "insert into raw.coupons (referral_id, issued_at, used_at) values (1, '2026-01-02', '{}')",
    ],
)
def test_each_kind_of_activity_counts_to_the_second(stored: duckdb.DuckDBPyConnection, activity: str, at: str) -> None:
    stored.execute(activity.format(at))
    assert _people(stored).inactive(BEFORE) == ([1, 2] if at == OLD else [2])


def test_who_has_a_reward_due_is_not_inactive(stored: duckdb.DuckDBPyConnection) -> None:
    _add(stored, "rewards_due", 1, "2026-01-02", None)
    _add(stored, "rewards_due", None, "2026-01-02", None)
    assert _people(stored).inactive(BEFORE) == [2]


def test_who_has_no_values_or_is_forgotten_is_never_due(stored: duckdb.DuckDBPyConnection) -> None:
    """A recipient who is no user counts as one of the people; a row without values belongs to no person."""
    stored.execute("update raw.users set first_name = null where id = 1")
    stored.execute("insert into raw.rewards_issued (recipient_id, recipient_email, issued_at, _dlt_valid_from) "
                   "values (7, 'x@example.com', '2026-01-02', '2026-01-02')")  # fmt: skip
    for user_id in (1, 2):
        _add(stored, "observations", "users", user_id, "vanished", OLD)
    people = _people(stored)
    assert (people.deleted(BEFORE), people.inactive(BEFORE), people.count()) == ([2], [2, 7], 2)
    forgotten = _people(stored, Forgotten().with_person(2, []))
    assert (forgotten.deleted(BEFORE), forgotten.inactive(BEFORE)) == ([], [7])


@pytest.mark.parametrize("stream", ["users", "rewards_due", "rewards_issued", "coupons"])
def test_nobody_is_forgotten_before_the_streams_of_activity_were_read(
    stored: duckdb.DuckDBPyConnection, stream: str
) -> None:
    _add(stored, "observations", "users", 1, "vanished", OLD)
    stored.execute(f"update raw.run_streams set observed_at = null where stream = '{stream}'")
    people = _people(stored)
    assert people.inactive(BEFORE) == []
    assert people.deleted(BEFORE) == ([] if stream == "users" else [1])


def test_too_many_deletions_are_implausible(stored: duckdb.DuckDBPyConnection) -> None:
    stored.execute("insert into raw.users (id, first_name) select i, 'x' from range(3, 51) as t(i)")
    people = _people(stored)
    assert people.implausible(set(range(1, 11)), 20) is None
    assert people.implausible(set(range(1, 12)), 20) == "users: 11 of 50 records are gone"
    assert people.implausible(set(range(1, 51)), 100) is None
