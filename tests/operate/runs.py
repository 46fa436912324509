"""Invented outcomes of runs, an hour apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from referral_warehouse.operate.history import History, history_of
from referral_warehouse.operate.notifications import events_of
from referral_warehouse.operate.outcome_log import OutcomeLog
from referral_warehouse.operate.outcomes import Outcome
from referral_warehouse.utc_times import iso_utc_seconds

COMMANDS = ("sync", "load", "build", "publish", "fix-clock", "demo")
FIRST = datetime(2026, 1, 5, 8, tzinfo=UTC)
STREAMS = {"users": {"rows_seen": 9, "rows_written": 3, "rows_quarantined": 0, "api_count": 9, "calls": 2}}
CODES = {"ok": 0, "failed": 4, "killed": 1, "stopped": 143}


def event_names(*runs: Outcome) -> list[list[str]]:
    """The names of the events of each run, in their order."""
    history, found = History(), []
    for run in runs:
        counted = history.counted(run)
        found.append([event.name for event in events_of(history, counted)])
        history.add(counted)
    return found


def outcome(command: str, number: int, result: str = "ok", **changes: Any) -> Outcome:
    """The outcome of the run of that number."""
    at = FIRST + timedelta(hours=number)
    made = Outcome(
        f"run-{number}", command, iso_utc_seconds(at - timedelta(minutes=1)), iso_utc_seconds(at), result,
        exit_code=CODES[result],
        streams=STREAMS if result == "ok" and command in ("sync", "load", "demo") else None,
        warnings={} if result == "ok" and command in ("sync", "publish", "demo") else None,
    )  # fmt: skip
    return replace(made, **changes)


def made(runs: Sequence[tuple[str, str]], history: History | None = None) -> History:
    """The history of runs, each a command and a result."""
    history = History() if history is None else history
    for number, (command, result) in enumerate(runs):
        history.add(history.counted(outcome(command, number, result)))
    return history


def append_runs(log: OutcomeLog, runs: Sequence[tuple[str, str]]) -> None:
    """Append the outcomes of runs as a recorder does."""
    for number, (command, result) in enumerate(runs):
        history = history_of(log.read())
        log.begin_new_file(history.needed)
        log.append(history.counted(outcome(command, number, result)))
