"""Texts that are too old are left out of rows, to the second; what the rows are counted by stays."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from referral_warehouse.load.privacy.aging import AgeLimits
from referral_warehouse.load.records.run_tables import RUNS
from referral_warehouse.load.records.schema import OBSERVATIONS, QUARANTINE, TableSchema
from referral_warehouse.sql_folder import sql_dir

UNTIL = datetime(2026, 3, 1)  # noqa: DTZ001 - naive UTC
OLD, NEW = UNTIL, datetime(2026, 3, 1, 0, 0, 1)  # noqa: DTZ001


def _rows(schema: TableSchema, *rows: dict[str, Any]) -> pa.Table:
    names = schema.arrow.names
    return pa.Table.from_pylist([dict.fromkeys(names) | row for row in rows], schema=schema.arrow)


def _record(**changed: Any) -> dict[str, Any]:
    return {
        "key": "k", "stream": "users", "record_id": "7", "reason": "email: no address: 'x@y'", "raw": '{"id":7}',
        "quarantined_at": OLD,
    } | changed  # fmt: skip


@pytest.mark.parametrize(
    ("record", "is_old"),
    [
        (_record(), True),
        (_record(quarantined_at=NEW), False),
        (_record(quarantined_at=NEW, resolved_at=OLD), True),
        (_record(resolved_at=NEW), False),
    ],
)
def test_a_record_is_emptied_some_time_after_it_was_last_received(record: dict[str, Any], is_old: bool) -> None:
    rows = _rows(QUARANTINE, record)
    found = AgeLimits(records=UNTIL).rows(QUARANTINE, rows).to_pylist()[0]
    expected = {"raw": "null", "reason": "email: a value that cannot be read"} if is_old else {}
    assert found == rows.to_pylist()[0] | expected
    assert AgeLimits(errors=UNTIL).rows(QUARANTINE, rows) == rows


@pytest.mark.parametrize(("text", "kept"), [("7", "7"), ("-7", "-7"), ("null", ""), ("x@example.com", ""), ("", "")])
def test_a_text_in_place_of_an_id_stays_only_if_it_is_one(text: str, kept: str) -> None:
    rows = AgeLimits(records=UNTIL).rows(QUARANTINE, _rows(QUARANTINE, _record(record_id=text)))
    assert rows.column("record_id").to_pylist() == [kept]
    assert rows.column("key").to_pylist() == ["k"], "the same record is recognised when it is received again"


def test_errors_of_runs_are_emptied_and_other_tables_are_left_alone() -> None:
    runs = _rows(
        RUNS, {"run_id": "a", "error": "x", "started_at": OLD}, {"run_id": "b", "error": "y", "started_at": NEW}
    )
    age_limits = AgeLimits(UNTIL, UNTIL)
    assert age_limits.rows(RUNS, runs).column("error").to_pylist() == [None, "y"]
    assert age_limits.rows(RUNS, runs).column("run_id").to_pylist() == ["a", "b"]
    assert AgeLimits(records=UNTIL).rows(RUNS, runs) == runs
    other = _rows(OBSERVATIONS, {"stream": "users", "id": 1})
    assert age_limits.rows(OBSERVATIONS, other) == other


def test_what_is_counted_is_what_is_left_to_be_emptied() -> None:
    """So that nothing is rewritten a second time; the journal keeps the times."""
    age_limits = AgeLimits(UNTIL, UNTIL)
    assert AgeLimits.from_json(age_limits.as_json()) == age_limits
    assert AgeLimits.from_json(AgeLimits(errors=UNTIL).as_json()) == AgeLimits(errors=UNTIL)
    with duckdb.connect(":memory:") as connection:
        connection.execute("create schema raw")
        connection.execute((sql_dir() / "raw.sql").read_text("utf-8"))
        records = _rows(QUARANTINE, _record(), _record(quarantined_at=NEW))
        runs = _rows(RUNS, {"error": "x", "started_at": OLD}, {"started_at": OLD}, {"error": "x", "started_at": NEW})
        for name, rows in (("quarantine", records), ("runs", runs)):
            connection.register("given", rows)
            connection.execute(f"insert into raw.{name} by name from given")
        assert age_limits.counts(connection) == {"records": 1, "errors": 1}
        assert AgeLimits().counts(connection) == {}
        for schema in (QUARANTINE, RUNS):
            connection.register(
                "given", age_limits.rows(schema, connection.execute(f"from raw.{schema.name}").to_arrow_table())
            )
            connection.execute(f"create or replace table raw.{schema.name} as from given")
        assert age_limits.counts(connection) == {}
