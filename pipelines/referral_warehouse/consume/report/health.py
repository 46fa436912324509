"""The state of the data: how fresh it is, whether it equals the account, what the checks found, how the syncs ran."""

from __future__ import annotations

from typing import Any

from referral_warehouse.consume.report import formats
from referral_warehouse.consume.report.document import Chart, Column, Figure, Section, Table, Tile
from referral_warehouse.consume.report.reading import Reader
from referral_warehouse.display_text import display_text

RUNS = 20

STREAMS = """
select streams.stream, streams.observed_at, streams.api_count, streams.our_count, compared.differences_found,
    coalesce(compared.missing_count + compared.changed_count + compared.vanished_count + compared.reappeared_count, 0)
        as repaired_count,
    compared.in_flight, coalesce(compared.is_contradiction, false) as is_contradiction, fresh.oldest_age_days,
    fresh.max_age_days
from (
    select * from ops.run_streams
    qualify row_number() over (partition by stream order by observed_at desc, run_id desc) = 1
) as streams
left join ops.reconciliation as compared on streams.run_id = compared.run_id and streams.stream = compared.stream
left join ops.freshness as fresh on streams.stream = fresh.stream
order by streams.stream
"""
CHECKS = """
select check_name, severity, violations_count, rule
from ops.checks
order by violations_count = 0, severity, check_name
"""
LAST_RUNS = f"""
select run_id, command, status, started_at, finished_at, calls_count, error, rows_written_count
from ops.runs
left join (
    select run_id, sum(rows_written_count) as rows_written_count from ops.run_streams group by run_id
) using (run_id)
order by started_at desc, run_id
limit {RUNS}
"""
QUARANTINE = "select stream, count(*) as open_count from ops.quarantine where is_open group by stream order by stream"
OBSERVED = "select max(observed_at) as observed_at from ops.runs"
PASSED, WARNED = "passed", "found rows"


def data_state(reader: Reader) -> Section:
    """Freshness and reconciliation, for the top of the page."""
    streams, checks = reader.rows(STREAMS), reader.rows(CHECKS)
    quarantined = sum(row["open_count"] for row in reader.rows(QUARANTINE))
    wrong = [row for row in streams if row["is_contradiction"]]
    pending = [row for row in streams if row["in_flight"] or row["api_count"] not in (None, row["our_count"])]
    warned = [row for row in checks if row["violations_count"]]
    observed_at = reader.rows(OBSERVED)[0]["observed_at"]
    matching = f"{len(streams) - len(wrong)} of {len(streams)} streams match the account"
    tiles = [
        Tile("Data as of", formats.time(observed_at), "UTC, the API's last response", at=formats.instant(observed_at)),
        Tile("Reconciliation", "Differs" if wrong else "Matches", matching, "bad" if wrong else "good"),
        Tile(
            "Checks", f"{len(checks) - len(warned)} of {len(checks)} passed",
            f"{len(warned)} to look at" if warned else "none found anything", "watch" if warned else "good",
        ),
        Tile(
            "Quarantine", formats.count(quarantined), "records that could not be read exactly",
            "watch" if quarantined else "good",
        ),
    ]  # fmt: skip
    if pending:
        words = "counts changed during the last sync; the next one compares them again"
        tiles[1] = Tile("Reconciliation", "In flight", words, "watch")
    return Section("state", "State of the data", [_streams(streams), _checks(checks, warned)], tiles=tiles)


def _streams(rows: list[dict[str, Any]]) -> Figure:
    columns = (
        Column("Stream", "stream", is_number=False), Column("API", "api_count"), Column("Warehouse", "our_count"),
        Column("Found before repair", "differences_found", is_number=False), Column("Repaired", "repaired_count"),
        Column("Left to the next run", "in_flight", is_number=False), Column("Oldest row, days", "oldest_age_days"),
        Column("Compared at", "observed_at", is_number=False),
    )  # fmt: skip
    lines = [
        (
            row["stream"].replace("_", " ").capitalize(), formats.count(row["api_count"]),
            formats.count(row["our_count"]), formats.name(row["differences_found"] or "nothing"),
            formats.count(row["repaired_count"]), formats.name(row["in_flight"] or "nothing"),
            formats.days(row["oldest_age_days"]), formats.time(row["observed_at"]),
        )
        for row in rows
    ]  # fmt: skip
    lead = "What the API reports beside what is in the warehouse, at the last comparison of each stream."
    return Figure("Counts beside the account's", "ops.reconciliation", Table(columns, lines), lead=lead)


def _checks(checks: list[dict[str, Any]], warned: list[dict[str, Any]]) -> Figure:
    columns = (
        Column("Rule", "rule", is_number=False), Column("Severity", "severity", is_number=False),
        Column("Rows that break it", "violations_count"),
    )  # fmt: skip
    lines = [
        (
            display_text(row["rule"] or row["check_name"]),
            "forbids" if row["severity"] == "fail" else "reports",
            formats.count(row["violations_count"]),
        )
        for row in warned
    ]  # fmt: skip
    note = f"{len(checks) - len(warned)} further rules found nothing."
    lead = "Rules that every snapshot is checked against; a broken rule that forbids stops the publication."
    return Figure("Checks that found something", "ops.checks", Table(columns, lines, note), lead=lead)


def sync_health(reader: Reader) -> list[Figure]:
    """The last runs."""
    rows = reader.rows(LAST_RUNS)
    columns = (
        Column("Started", "started_at", is_number=False), Column("Command", "command", is_number=False),
        Column("Status", "status", is_number=False), Column("Seconds", "finished_at"), Column("Calls", "calls_count"),
        Column("Rows written", "rows_written_count"), Column("Error", "error", is_number=False),
    )  # fmt: skip
    lines = [
        (
            formats.time(row["started_at"]), row["command"], row["status"], _seconds(row),
            formats.count(row["calls_count"]), formats.count(row["rows_written_count"]), formats.name(row["error"]),
        )
        for row in rows
    ]  # fmt: skip
    values = [
        {
            "run": number, "at": formats.time(row["started_at"]), "calls": row["calls_count"] or 0,
            "status": row["status"] if row["status"] in ("done", "failed", "interrupted") else "running",
        }
        for number, row in enumerate(reversed(rows), start=1)
    ]  # fmt: skip
    failed = sum(row["status"] not in ("done", "running") for row in rows)
    lead = f"The last {len(rows)} runs, the newest on the right; {failed or 'none'} failed or were interrupted."
    note = "The snapshot was built during the newest run, which is therefore running."
    table = Table(columns, lines, note if rows and rows[0]["status"] == "running" else "")
    return [Figure("Runs", "ops.runs", table, [Chart("runs", f"Calls per run: {lead}", values)], lead, is_wide=True)]


def _seconds(row: dict[str, Any]) -> str:
    if row["finished_at"] is None or row["started_at"] is None:
        return formats.NONE
    return f"{(row['finished_at'] - row['started_at']).total_seconds():,.1f}"
