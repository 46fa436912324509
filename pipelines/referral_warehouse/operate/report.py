"""Formats the health of a directory: sentences for people, and one JSON object for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from referral_warehouse.operate.durations import duration_text
from referral_warehouse.operate.health import DAMAGED, STALE, UNPUBLISHED, WELL, Health
from referral_warehouse.operate.outcomes import FAILED, KILLED, STOPPED, Outcome, known_values
from referral_warehouse.utc_times import iso_utc, parse_utc

SHOWN_ELSEWHERE = ("lake", "tables to ")
"""Beginnings of the names of tasks that other lines of ``referrals status`` report."""
ENDED = {FAILED: "failed", STOPPED: "was stopped", KILLED: "was killed"}


def sentences(health: Health, now: datetime) -> Iterator[str]:
    """The lines of ``referrals status`` about the health of the directory, the most important first."""
    yield _headline(health)
    history = health.history
    if health.problem is not None:
        yield f"The outcomes of runs are not known: {health.problem}."
    if health.is_running and history.unfinished is not None:
        start = history.unfinished
        yield f"Running now: {start.command}, for {_since(start.at, now)}."
    failure = history.last_failure
    if failure is not None:
        yield f"Last failure: {_describe(failure, now)}. {failure.message or failure.error or ''}".rstrip()
    if history.last_success is not None:
        yield f"Last success: {_describe(history.last_success, now)}."
    elif failure is not None or health.manifest is not None:
        yield "Last success: none is recorded."
    for name in sorted(history.failing_tasks):
        if not name.startswith(SHOWN_ELSEWHERE):
            found = history.task_failure(name)
            runs = f"{count} runs in a row" if (count := found.get("failures", 1)) != 1 else "the last run"
            yield f"Not done: {name}, {runs} since {_shown(_since_of(found, history.failing_tasks[name]))}. " + str(
                found.get("problem", "")
            )
    if health.next_step is not None:
        yield f"Next: {health.next_step}"


def facts(health: Health, warehouse_dir: Path) -> dict[str, Any]:
    """The part of ``referrals status --json`` about the health of the directory."""
    history = health.history
    return {
        "state": health.state,
        "is_well": health.state == WELL,
        "exit_code": health.exit_code,
        "next_step": health.next_step,
        "directory": str(warehouse_dir),
        "is_running": health.is_running,
        "fresh_at": None if health.fresh_at is None else iso_utc(health.fresh_at),
        "age_s": None if health.age_s is None else round(health.age_s),
        "max_age_s": health.max_age_s,
        "last_success": None if history.last_success is None else known_values(history.last_success),
        "last_failure": None if history.last_failure is None else known_values(history.last_failure),
        "failures": history.failures,
        "failing_since": history.failing_since,
        "outcomes_problem": health.problem,
        "damage": health.damage,
        **({"tasks": {name: history.task_failure(name) for name in sorted(history.failing_tasks)}}
           if history.failing_tasks else {}),
    }  # fmt: skip


def _since_of(found: dict[str, Any], outcome: Outcome) -> str:
    since = found.get("failing_since")
    return since if isinstance(since, str) else outcome.at


def _headline(health: Health) -> str:
    age = "" if health.age_s is None else duration_text(health.age_s)
    if health.state == WELL:
        return f"Well: the data is {age} old." if age else "Well."
    if health.state == UNPUBLISHED:
        return "Not well: nothing is published yet."
    failed = _failures(health)
    if health.state == DAMAGED:
        return f"Not well: {health.damage}" + (f" {failed[0].upper()}{failed[1:]}." if failed else "")
    if health.state == STALE:
        limit = duration_text(health.max_age_s or 0)
        old = f"the data is {age} old, and {limit} are allowed" if age else "it is not known how old the data is"
        return f"Stale: {old}." + (f" {failed}." if failed else "")
    return f"Failing: {failed}." + (f" The data is {age} old." if age else "")


def _failures(health: Health) -> str:
    count, since = health.history.failures, health.history.failing_since
    if not count or since is None:
        return ""
    runs = "the last run" if count == 1 else f"{count:,} runs"
    return f"{runs} did not succeed, since {_shown(since)}"


def _describe(outcome: Outcome, now: datetime) -> str:
    parts = [f"{outcome.command}, {_shown(outcome.at)} ({_since(outcome.at, now)} ago)"]
    if not outcome.is_success:
        ended = ENDED[outcome.result]
        parts.append(f"{ended} with exit code {outcome.exit_code}" if outcome.result == FAILED else ended)
    for value, words in (
        (outcome.snapshot, "snapshot {:,}"),
        (outcome.rows, "{:,} rows"),
        (outcome.calls, "{:,} calls"),
    ):
        if value is not None:
            parts.append(words.format(value))
    if outcome.seconds is not None:
        parts.append(f"{outcome.seconds:.1f} s")
    if outcome.only_streams:
        parts.append("only some streams")
    return ", ".join(parts)


def _shown(at: str) -> str:
    return f"{parse_utc(at):%Y-%m-%d %H:%M} UTC"


def _since(at: str, now: datetime) -> str:
    return duration_text((now - parse_utc(at)).total_seconds())
