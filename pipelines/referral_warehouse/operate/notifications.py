"""Derives the events of a run that receivers are notified of, and their JSON object. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from referral_warehouse import __version__
from referral_warehouse.display_text import one_line
from referral_warehouse.operate.durations import DAY_S, duration_text
from referral_warehouse.operate.health import Health
from referral_warehouse.operate.history import ERASURE, OF_TASKS, History, completed_by, ended_by
from referral_warehouse.operate.outcomes import FAILED, KILLED, Outcome, known_values
from referral_warehouse.redaction import redact
from referral_warehouse.utc_times import parse_utc


@dataclass(frozen=True, slots=True)
class Event:
    """Something to report: ``name`` is one of ``settings.notify.EVENTS``, ``text`` a sentence, ``checks`` are names."""

    name: str
    text: str
    checks: tuple[str, ...] = ()


def events_of(before: History, outcome: Outcome) -> list[Event]:
    """The events of a run, the most important first.

    Args: ``before`` is the history without it.
    """
    events: list[Event] = []
    is_of_tasks = outcome.command in OF_TASKS and outcome.failed_tasks
    if outcome.result in (FAILED, KILLED) and not is_of_tasks and _is_due(before.failing.get(outcome.command), outcome):
        times = f" for the {outcome.failures}th time" if outcome.failures > 3 else ""
        how = "was killed" if outcome.result == KILLED else f"failed with exit code {outcome.exit_code}"
        why = outcome.message or outcome.error or "no reason is known"
        events.append(Event("failure", f"{outcome.command} {how}{times}: {why} Next: {outcome.next_step}"))
    ended = [before.failing[name] for name in ended_by(outcome.command) if name in before.failing]
    if outcome.is_success and ended:
        count = sum(failure.failures for failure in ended)
        runs = "1 run" if count == 1 else f"{count:,} runs"
        events.append(Event("recovery", f"{outcome.command} succeeded again, after {runs} that did not."))
    events += [
        Event("recovery", f"{outcome.command} completed the `referrals {command}` that was interrupted.")
        for command in completed_by(outcome)
        if command in before.failing
    ]
    events += _events_of_tasks(before, outcome)
    if outcome.strikes:
        one = "1 rate-limit violation" if outcome.strikes == 1 else f"{outcome.strikes} rate-limit violations"
        events.append(Event("strikes", f"{one} during {outcome.command}; `referrals strikes` shows those of 7 days."))
    known = before.failing.get(outcome.command)
    if outcome.failed_checks and (known is None or set(outcome.failed_checks) != set(known.failed_checks)):
        names = tuple(outcome.failed_checks)
        events.append(Event("checks", f"Checks forbid the publication: {', '.join(names)}.", names))
    if outcome.warnings is not None:
        last = before.last_publication
        earlier = (last.warnings if last is not None else None) or {}
        new = {name: count for name, count in outcome.warnings.items() if name not in earlier}
        if new:
            listed = ", ".join(f"{name} ({count:,} rows)" for name, count in new.items())
            events.append(Event("warnings", f"New warnings: {listed}.", tuple(new)))
    return events


def _events_of_tasks(before: History, outcome: Outcome) -> list[Event]:
    """The events of erasures and deliveries: failures, reported as often as those of runs, and recoveries."""
    events = []
    for name, found in (outcome.tasks or {}).items():
        known = before.task_failure(name)
        what = "An erasure of personal data" if name == ERASURE else f"The delivery ({name})"
        count = found.get("failures", known.get("failures", 0))
        if not found and known:
            runs = "1 run" if count == 1 else f"{count:,} runs"
            events.append(Event("recovery", f"{what} succeeded again, after {runs} in which it did not."))
        elif found and _is_task_due(known, found, before, outcome):
            times = f" for the {count}th time" if count > 3 else ""
            text = f"{what} failed{times}: {found['problem']}. Next: The next sync tries again."
            events.append(Event("erasure" if name == ERASURE else "delivery", text))
    return events


def _is_task_due(known: dict[str, Any], found: dict[str, Any], before: History, outcome: Outcome) -> bool:
    if known.get("error") != found.get("error"):
        return True
    since = parse_utc(str(found["failing_since"]))
    last = next(run for run in before.failing_tasks.values() if known in run.failed_tasks.values())
    return _days(since, outcome.ended_at) > _days(since, last.ended_at)


def stale_event(health: Health) -> Event:
    """The event of data that is older than allowed."""
    age = "of unknown age" if health.age_s is None else f"{duration_text(health.age_s)} old"
    limit = duration_text(health.max_age_s or 0)
    return Event("stale", f"The data is {age}, and {limit} are allowed. Next: {health.next_step}")


def payload(events: Iterable[Event], outcome: Outcome | None, warehouse_dir: str, host: str, at: str) -> dict[str, Any]:
    """The object that receivers get, without secrets. Its ``text`` says all of it in words."""
    listed = list(events)
    found = {
        "text": one_line(f"referral-warehouse on {host}: " + " ".join(event.text for event in listed), 2_000),
        "events": [event.name for event in listed],
        "details": [
            {"event": event.name, "text": event.text, **({"checks": list(event.checks)} if event.checks else {})}
            for event in listed
        ],
        "at": at,
        "host": host,
        "directory": warehouse_dir,
        "version": __version__,
        "run": None if outcome is None else known_values(outcome),
    }
    masked: dict[str, Any] = _redacted(found)
    return masked


def _is_due(known: Outcome | None, outcome: Outcome) -> bool:
    """Whether a failure is reported: the first one, another error than before, and one a day while it lasts."""
    if known is None or (known.error, known.exit_code) != (outcome.error, outcome.exit_code):
        return True
    since = parse_utc(outcome.failing_since or outcome.at)
    return _days(since, outcome.ended_at) > _days(since, known.ended_at)


def _days(since: datetime, at: datetime) -> int:
    return int((at - since).total_seconds() // DAY_S)


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(name)): _redacted(one) for name, one in value.items()}
    return [_redacted(one) for one in value] if isinstance(value, list) else value
