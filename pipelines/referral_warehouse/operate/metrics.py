"""Writes ``state/metrics.prom``: the state of a directory as metrics, for collectors that read text files.

Only gauges, so that the file is valid both as OpenMetrics and in Prometheus' own text format.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from referral_warehouse import __version__
from referral_warehouse.operate.history import History
from referral_warehouse.operate.known_backups import last_backup_at
from referral_warehouse.operate.outcomes import Outcome
from referral_warehouse.settings import Settings
from referral_warehouse.utc_times import parse_utc
from referral_warehouse.workspace.current_snapshot import current_database
from referral_warehouse.workspace.file_kinds import write_regular

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FILE = "metrics.prom"
PREFIX = "referral_warehouse_"
QUARANTINED = "select count(*) from ops.quarantine where is_open"
OWED = "select unit, sum(owed_count), sum(owed_value) from marts.reward_liability group by unit order by unit"

Samples = Iterable[tuple[dict[str, str], float | None]]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found after a run. ``strikes`` are the rate-limit violations of the last seven days."""

    history: History
    outcome: Outcome
    strikes: int


def write_metrics(settings: Settings, measured: Measured) -> None:
    """Write the metrics of a directory, atomically; the caller holds its lock.

    Raises: OSError when the file cannot be written, ReferralsError or an error of DuckDB when the snapshot cannot be
    read.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.openmetrics.exposition import generate_latest

    registry = CollectorRegistry()
    _add_run(registry, settings, measured)
    _add_load(registry, measured.history)
    _add_published(registry, settings)
    text: str = generate_latest(registry).decode("utf-8")  # type: ignore[no-untyped-call]
    write_regular(settings.state_dir / FILE, text)


def _add_run(registry: CollectorRegistry, settings: Settings, measured: Measured) -> None:
    history, outcome = measured.history, measured.outcome
    _add(registry, "info", "The version of the program.", [({"version": __version__}, 1)])
    last = history.last_success
    _add(registry, "last_success_timestamp_seconds", "End of the last run that succeeded.", [({}, _time(last))])
    fresh = history.fresh_at
    _add(
        registry, "fresh_timestamp_seconds", "When the published data was as new as the API's.",
        [({}, None if fresh is None else fresh.timestamp())],
    )  # fmt: skip
    backup_at = last_backup_at(settings.state_dir)
    _add(
        registry, "last_backup_timestamp_seconds", "When the newest backup was made that is known.",
        [({}, None if backup_at is None else backup_at.timestamp())],
    )  # fmt: skip
    command = {"command": outcome.command}
    _add(registry, "last_run_timestamp_seconds", "End of the last run.", [(command, _time(outcome))])
    _add(registry, "last_run_success", "Whether the last run succeeded.", [(command, float(outcome.is_success))])
    _add(registry, "last_run_exit_code", "Exit code of the last run.", [(command, outcome.exit_code)])
    _add(registry, "last_run_duration_seconds", "Duration of the last run.", [(command, outcome.seconds)])
    _add(registry, "last_run_calls", "Requests that the last run sent.", [(command, outcome.calls)])
    _add(
        registry, "last_run_budget_ratio", "Calls of the last run, as a share of those that its minutes allowed.",
        [(command, _budget(settings, outcome))],
    )  # fmt: skip
    _add(registry, "failures", "Runs that failed since a success of their command.", [({}, history.failures)])
    _add(registry, "strikes", "Rate-limit violations of the last 7 days.", [({}, measured.strikes)])
    tasks = dict.fromkeys(outcome.tasks or {}, 0.0) | {
        name: float(history.task_failure(name).get("failures", 1)) for name in history.failing_tasks
    }
    _add(
        registry, "task_failures", "Runs in a row in which an erasure or a delivery failed.",
        [({"task": name}, count) for name, count in tasks.items()],
    )  # fmt: skip
    failed = [({"check": name}, 1.0) for name in outcome.failed_checks]
    _add(registry, "failed_checks", "Checks that forbade the last publication.", [({}, float(len(failed)))])
    _add(registry, "failed_check", "A check that forbade the last publication.", failed)


def _add_load(registry: CollectorRegistry, history: History) -> None:
    streams = (history.last_load.streams if history.last_load else None) or {}
    for name, key, help_text in (
        ("stream_rows", "api_count", "Rows that the API has, at the last load that succeeded."),
        ("stream_rows_written", "rows_written", "Rows that the last load wrote."),
        ("stream_rows_quarantined", "rows_quarantined", "Rows that the last load could not read."),
        ("stream_calls", "calls", "Requests of the last load."),
    ):
        _add(
            registry,
            name,
            help_text,
            [({"stream": stream}, _number(found.get(key))) for stream, found in streams.items()],
        )
    last = history.last_publication
    warnings = (last.warnings if last is not None else None) or {}
    _add(
        registry, "warnings", "Checks that found rows and do not refuse the publication.", [({}, float(len(warnings)))]
    )
    _add(
        registry, "warning_rows", "Rows that such a check found.",
        [({"check": check}, float(rows)) for check, rows in warnings.items()],
    )  # fmt: skip


def _add_published(registry: CollectorRegistry, settings: Settings) -> None:
    """What the published snapshot holds; nothing where there is none."""
    from referral_warehouse.warehouse.published import open_published, published_manifest

    manifest = published_manifest(settings)
    if manifest is None or not current_database(settings.published_dir).exists():
        return
    _add(registry, "snapshot", "Number of the published snapshot.", [({}, float(manifest["snapshot"]))])
    _add(
        registry, "table_rows", "Rows of a published table.",
        [({"table": name}, float(found["rows"])) for name, found in manifest["tables"].items()],
    )  # fmt: skip
    with open_published(settings) as (connection, _):
        # A snapshot of an earlier version may lack a table.
        quarantine = connection.execute(QUARANTINED).fetchall() if "ops.quarantine" in manifest["tables"] else []
        owed = connection.execute(OWED).fetchall() if "marts.reward_liability" in manifest["tables"] else []
    _add(registry, "quarantine_rows", "Open entries of the quarantine.", [({}, float(rows)) for (rows,) in quarantine])
    counts = [({"unit": str(unit)}, float(count)) for unit, count, _ in owed]
    values = [({"unit": str(unit)}, float(value)) for unit, _, value in owed if value is not None]
    _add(registry, "owed_count", "Rewards that are owed.", counts)
    _add(registry, "owed_value", "Value that is owed, in a unit.", values)


def _add(registry: CollectorRegistry, name: str, help_text: str, samples: Samples) -> None:
    """Add a gauge with those samples that have a value; without any there is no gauge."""
    from prometheus_client import Gauge

    known = [(labels, value) for labels, value in samples if value is not None]
    if not known:
        return
    gauge = Gauge(PREFIX + name, help_text, list(known[0][0]), registry=registry)
    for labels, value in known:
        (gauge.labels(**labels) if labels else gauge).set(value)


def _budget(settings: Settings, outcome: Outcome) -> float | None:
    if not settings.calls_per_minute or outcome.calls is None or outcome.seconds is None:
        return None
    return outcome.calls / (settings.calls_per_minute * max(1.0, outcome.seconds / 60))


def _time(outcome: Outcome | None) -> float | None:
    return None if outcome is None else parse_utc(outcome.at).timestamp()


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
