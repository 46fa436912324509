"""The log of runs inside the load file: ``raw.runs``, ``raw.reconciliation`` and the other tables of ``run_tables``.

A run is recorded when it starts, so that a killed one stays visible as ``running``; the next run marks it
``interrupted``. Times are naive UTC; ``observed_at`` is dated as ``observation_clock`` says, the others are this
machine's clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from referral_warehouse.load.clock.observation_clock import utc_now
from referral_warehouse.load.records.run_tables import RUN_TABLES, TERM_SETTINGS, UNIT_SETTINGS
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.records.table_sql import create_table
from referral_warehouse.load.registry import STREAMS
from referral_warehouse.load.report import StreamReport
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.stored_rows import DATASET, insert_rows

_TABLES = ";\n".join(create_table(schema, DATASET, is_strict=True) for schema in RUN_TABLES)


def start(load_file: LoadFile, run_id: str, command: str, now: datetime | None = None) -> None:
    """Record that a run began at ``now``, by this machine's clock."""
    load_file.connection.execute(_TABLES)
    load_file.connection.execute(f"update {DATASET}.runs set status = 'interrupted' where status = 'running'")
    load_file.connection.execute(f"delete from {DATASET}.list_totals")  # rows may be newer from here on
    load_file.connection.execute(
        f"insert into {DATASET}.runs (run_id, command, started_at, status) values (?, ?, ?, 'running')",
        [run_id, command, now or utc_now()],
    )


def finish(
    load_file: LoadFile,
    run_id: str,
    *,
    status: str,
    calls: int,
    observed_at: datetime | None,
    reports: Iterable[StreamReport],
    reconciled: Iterable[StreamReport],
    error: str | None = None,
    now: datetime | None = None,
    reward_units: Iterable[tuple[str, str]] | None = None,
    unit_terms: Mapping[str, Any] | None = None,
) -> None:
    """Record how a run ended, with the report of each stream and the comparisons of counts.

    ``reward_units`` and ``unit_terms`` are the settings that the run had; a changed one is written down, if the run
    observed anything.
    """
    connection = load_file.connection
    connection.execute("begin")
    connection.execute(
        f"update {DATASET}.runs set status = ?, finished_at = ?, observed_at = ?, calls = ?, error = ? "
        "where run_id = ?",
        [status, now or utc_now(), observed_at, calls, error, run_id],
    )
    insert_rows(load_file.connection, "run_streams", [
        [run_id, report.stream, report.observed_at, report.is_complete, report.api_count, report.our_count,
         report.rows_seen, report.rows_written, report.rows_quarantined, report.calls]
        for report in reports
    ])  # fmt: skip
    insert_rows(load_file.connection, "run_calls", [
        [run_id, report.stream, purpose, calls]
        for report in reports for purpose, calls in sorted(report.calls_for.items())
    ])  # fmt: skip
    insert_rows(load_file.connection, "list_totals", [
        [run_id, report.stream, report.totals.rows, str(report.totals.rewards), str(report.totals.value)]
        for report in reports if report.totals is not None
    ])  # fmt: skip
    insert_rows(load_file.connection, "reconciliation", [_reconciled(run_id, report) for report in reconciled])
    if reward_units is not None and observed_at is not None:
        _record_setting(load_file, run_id, UNIT_SETTINGS, dict(reward_units))
    if unit_terms is not None and observed_at is not None:
        _record_setting(load_file, run_id, TERM_SETTINGS, dict(unit_terms))
    connection.execute("commit")


def _record_setting(load_file: LoadFile, run_id: str, schema: TableSchema, value: dict[str, Any]) -> None:
    """Record a setting in its table (number, run, value), if it is not that of the run before."""
    number, _, column = (field.name for field in schema.fields)
    last = load_file.connection.execute(
        f"select {number}, {column} from {DATASET}.{schema.name} order by {number} desc limit 1"
    ).fetchone()
    if last is None or json.loads(last[1]) != value:
        rows = [[1 if last is None else last[0] + 1, run_id, json.dumps(value)]]
        insert_rows(load_file.connection, schema.name, rows)


def _reconciled(run_id: str, report: StreamReport) -> list[Any]:
    found, repair = report.reconciliation, report.reconciliation.repair
    compared_by = STREAMS[report.stream].compared_by
    return [
        run_id, report.stream, report.observed_at, compared_by, found.upto_id, report.api_count, report.our_count,
        found.found, found.repaired_by, repair.missing, repair.changed, repair.vanished, repair.reappeared,
        found.in_flight, found.calls,
    ]  # fmt: skip
