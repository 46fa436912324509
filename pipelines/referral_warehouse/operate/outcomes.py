"""The records of the start and of the end of a run, as JSON objects and as values.

A line may be incomplete or changed: what cannot be a record is skipped when it is read. Reads no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

from referral_warehouse.utc_times import parse_utc

OK, FAILED, STOPPED, KILLED = "ok", "failed", "stopped", "killed"
RESULTS = frozenset({OK, FAILED, STOPPED, KILLED})
LONGEST_MESSAGE = 600
"""Columns of a message or a next step that are recorded, so that a line stays small."""

T = TypeVar("T", "Start", "Outcome")


@dataclass(frozen=True, slots=True)
class Start:
    """A run that began. ``at`` is this machine's clock, UTC, in ISO 8601 with ``Z``."""

    run: str
    command: str
    at: str
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that ended. Times are this machine's clock, UTC, in ISO 8601 with ``Z``.

    Attributes:
        result: ``ok``, ``failed``, ``stopped`` (by a signal) or ``killed`` (no end was recorded; ``at`` is when
            that was noticed).
        error: the class of the error.
        message: what happened; ``next_step``: what to do.
        seconds: the duration; rows are rows written, ``calls`` requests sent.
        snapshot: the published snapshot when the run ended.
        streams: numbers of each stream that was loaded, by name.
        only_streams: whether only some of the streams were requested.
        failed_checks: the ``fail_`` checks that forbade the publication.
        warnings: the ``warn_`` checks that found rows, with their numbers; None where nothing was published.
        forgotten: how many people were forgotten, and texts left out, because their retention period was over, by kind.
        tasks: erasures and deliveries, which may fail without failing the run, by name: empty where one succeeded,
            else ``problem``, ``error`` (its class), ``failures`` (runs in a row) and ``failing_since``.
        strikes: rate-limit violations during the run.
        failures: for a run that did not succeed, how many runs of its command in a row did not, with this one.
        failing_since: the end of the first of these runs.
    """

    run: str
    command: str
    started_at: str
    at: str
    result: str
    exit_code: int = 0
    error: str | None = None
    message: str | None = None
    next_step: str | None = None
    seconds: float | None = None
    rows: int | None = None
    calls: int | None = None
    snapshot: int | None = None
    streams: dict[str, dict[str, Any]] | None = None
    only_streams: bool = False
    failed_checks: list[str] = field(default_factory=list)
    warnings: dict[str, int] | None = None
    forgotten: dict[str, int] | None = None
    tasks: dict[str, dict[str, Any]] | None = None
    strikes: int = 0
    failures: int = 0
    failing_since: str | None = None

    @property
    def is_success(self) -> bool:
        return self.result == OK

    @property
    def failed_tasks(self) -> dict[str, dict[str, Any]]:
        """The erasures and deliveries that failed."""
        return {name: found for name, found in (self.tasks or {}).items() if found}

    @property
    def ended_at(self) -> datetime:
        return parse_utc(self.at)


def known_values(value: Start | Outcome) -> dict[str, Any]:
    """The attributes of a start or an end by name; values that are not known are left out."""
    return {name: found for name, found in asdict(value).items() if found is not None and found != []}


def to_record(value: Start | Outcome) -> dict[str, Any]:
    """The JSON object of a start or an end."""
    return {"event": "start" if isinstance(value, Start) else "end", **known_values(value)}


def from_record(record: Any) -> Start | Outcome | None:
    """The start or the end that an object describes; None for anything else."""
    if not isinstance(record, dict):
        return None
    if record.get("event") == "start":
        return _made(Start, record, ("at",))
    if record.get("event") == "end" and record.get("result") in RESULTS:
        return _made(Outcome, record, ("at", "started_at"))
    return None


_PLAIN: dict[str, tuple[type, ...]] = {
    "str": (str,), "str | None": (str, type(None)), "int": (int,), "int | None": (int, type(None)), "bool": (bool,),
    "float | None": (int, float, type(None)),
}  # fmt: skip


def _made(kind: type[T], record: Mapping[str, Any], times: tuple[str, ...]) -> T | None:
    given = {spec.name: record[spec.name] for spec in fields(kind) if spec.name in record}
    types = {spec.name: str(spec.type) for spec in fields(kind)}
    if not all(_fits(types[name], value) for name, value in given.items()):
        return None
    try:
        for name in times:
            parse_utc(given[name])
        return kind(**given)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _fits(type_name: str, value: Any) -> bool:
    if type_name in _PLAIN:
        return isinstance(value, _PLAIN[type_name]) and (type_name == "bool" or not isinstance(value, bool))
    if type_name.startswith("list"):
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if type_name.startswith("dict[str, int]"):
        return isinstance(value, dict) and all(type(one) is int for one in value.values())
    return isinstance(value, dict) and all(isinstance(one, dict) for one in value.values())
