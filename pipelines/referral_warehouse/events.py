"""Events of a run as records of the standard ``logging``, below the logger ``referral_warehouse``.

A record's message is one sentence, ``record.event`` the kind of event and ``record.fields`` its values by name. Secrets
are replaced before a record is made. Knows no handler: the command line attaches one that writes its log, other
programs attach their own.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from referral_warehouse.redaction import redact

PACKAGE_LOGGER = "referral_warehouse"
LONG_WAIT_S = 5.0
"""Waits that are shorter are logged at level DEBUG."""

logging.getLogger(PACKAGE_LOGGER).addHandler(logging.NullHandler())

Fields = Mapping[str, Any]
Progress = Callable[[str, dict[str, Any]], None]
"""Is called with the name of a stage and its values, such as ``{"rows": 250}``."""


class RunReport(Protocol):
    """The parts of a loader's report that are logged."""

    run_id: str
    calls: int
    recovered: list[str]
    warnings: list[str]

    @property
    def rows_written(self) -> int: ...


P = ParamSpec("P")
R = TypeVar("R", bound=RunReport)


def log_event(source: str, event: str, message: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log one event.

    Args:
        source: The part of the package that it comes from, such as ``api``; the last part of the logger's name.
        event: The kind of event, such as ``retry``.
        message: One sentence for people.
        level: A level of ``logging``.
        fields: The values of the event, by name.
    """
    logger = logging.getLogger(f"{PACKAGE_LOGGER}.{source}")
    if logger.isEnabledFor(level):
        safe = {name: redact(value) if isinstance(value, str) else value for name, value in fields.items()}
        logger.log(level, redact(message), extra={"event": event, "fields": safe}, stacklevel=2)


def log_warning(source: str, event: str, text: str) -> None:
    """Log a warning that has no values, such as one about a file that could not be removed."""
    log_event(source, event, f"warning: {text}", level=logging.WARNING)


def log_task(task: str, problem: str = "", kind: str = "") -> None:
    """Log how an erasure or a delivery ended, which may fail without failing its run; the record of the run gets it.

    Args: ``task`` is what was to be done, such as ``feeds``; ``problem`` says why it was not, and ``kind`` is the class
    of the error, by which failures are distinguished.
    """
    text = f"{task}: {problem or 'done'}"
    log_event("operate", "task", text, level=logging.DEBUG, task=task, error=kind, problem=problem)


def log_client_event(kind: str, fields: Fields) -> None:
    """Log an event of the API client.

    Args:
        kind: ``request`` (a response arrived), ``retry``, ``strike`` (status 429), ``wait`` (for the rate limit) or
            ``concurrency`` (another number of requests may be in flight).
        fields: Its values; units are in their names.
    """
    level, message = _DESCRIPTIONS[kind](fields)
    log_event("api", kind, message, level=level, **fields)


def log_stage(source: str, name: str, fields: Fields) -> None:
    """Log that a stage of a run begins."""
    log_event(source, "stage", f"{name}{listed(fields)}", stage=name, **fields)


def log_progress(source: str, name: str, fields: Fields) -> None:
    """Log how far a stage is, at level DEBUG."""
    log_event(source, "progress", f"{name}{listed(fields)}", level=logging.DEBUG, stage=name, **fields)


def listed(fields: Fields) -> str:
    """Return counts for the end of a sentence: `` (250 rows)``; nothing where there are none."""
    text = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in fields.items())
    return f" ({text})" if text else ""


def logged_load(load: Callable[P, R]) -> Callable[P, R]:
    """Decorate a loader: its start, stages, repairs, warnings and end become events.

    Args:
        load: Takes ``progress`` by keyword. Its keyword ``command``, where one is given, names the run in the events.
    """

    @functools.wraps(load)
    def logged(*args: P.args, **kwargs: P.kwargs) -> R:
        command = str(kwargs.get("command", "load"))
        kwargs["progress"] = _logged_progress(cast("Progress | None", kwargs.get("progress")))
        log_event("load", "run_started", f"{command} started", command=command)
        try:
            report = load(*args, **kwargs)
        except BaseException as error:
            kind, text = type(error).__name__, str(getattr(error, "message", ""))
            log_event(
                "load", "run_failed", f"{command} failed: {kind}: {text}".rstrip(": "), level=logging.ERROR,
                command=command, error=kind,
            )  # fmt: skip
            raise
        for text in report.recovered:
            log_event("load", "recovered", f"recovered: {text}", run_id=report.run_id)
        for text in report.warnings:
            log_warning("load", "clock", text)
        log_event(
            "load", "run_finished", f"{command} finished: {report.rows_written:,} rows, {report.calls:,} calls",
            command=command, run_id=report.run_id, rows_written=report.rows_written, calls=report.calls,
        )  # fmt: skip
        return report

    return logged


def _logged_progress(progress: Progress | None) -> Progress:
    current = None

    def report(name: str, fields: dict[str, Any]) -> None:
        nonlocal current
        if name == current:
            log_progress("load", name, fields)
        else:
            current = name
            log_stage("load", name, fields)
        if progress is not None:
            progress(name, fields)

    return report


def _request(fields: Fields) -> tuple[int, str]:
    return logging.DEBUG, f"HTTP {fields['status']} in {fields['elapsed_s']:.1f} s: {fields['path']}"


def _retry(fields: Fields) -> tuple[int, str]:
    return logging.INFO, f"retrying in {fields['wait_s']:.1f} s ({fields['reason']}): {fields['path']}"


def _strike(fields: Fields) -> tuple[int, str]:
    text = f"HTTP 429, rate-limit violation {fields['strikes']} of the last 7 days: waiting {fields['wait_s']:.0f} s"
    return logging.WARNING, f"{text} ({fields['path']})"


def _wait(fields: Fields) -> tuple[int, str]:
    level = logging.INFO if fields["wait_s"] >= LONG_WAIT_S else logging.DEBUG
    return level, f"waiting {fields['wait_s']:.0f} s: {fields['reason']}"


def _concurrency(fields: Fields) -> tuple[int, str]:
    return logging.DEBUG, f"up to {fields['in_flight']} requests may be in flight now"


_DESCRIPTIONS = {
    "request": _request, "retry": _retry, "strike": _strike, "wait": _wait, "concurrency": _concurrency,
}  # fmt: skip
