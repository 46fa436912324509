"""The state that follows from the outcomes of a directory: the last success, failures since, and what is running.
Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from referral_warehouse.operate.outcomes import KILLED, OK, Outcome, Start
from referral_warehouse.utc_times import iso_utc_seconds, parse_utc

LOADING = ("load", "sync", "demo")
PUBLISHING = ("publish", "sync", "demo", "fix-clock")
COVERS = {
    "sync": ("sync", "load", "build", "publish", "deliver", "fix-clock", "demo"),
    "demo": ("sync", "load", "build", "publish", "deliver", "fix-clock", "demo"),
    "publish": ("publish", "build", "deliver"),
}
"""Command → the commands whose failures its success ends; a command that is not listed ends its own."""

ERASURE = "erasure"
"""The task of forgetting people; every other task is a delivery."""
FORGET = "forget"
"""A command, and the task of completing one that was interrupted, which the next sync does."""
DELIVERING = frozenset({"sync", "publish"})
"""Commands that attempt every configured delivery. A delivery that their success does not name is not configured."""
OF_TASKS = frozenset({"deliver"})
"""Commands that only carry out tasks: their failure counts as one of the task and not of a run."""

KILLED_MESSAGE = "The process ended without recording its end: it was killed, or the machine stopped."
KILLED_STEP = (
    "Run the same command again: it continues from the committed data. Look for a lack of memory, or a time limit of "
    "the scheduler."
)
RECENT = 20
"""How many outcomes ``History.recent`` holds."""


@dataclass(slots=True)
class History:
    """The state after all records.

    Attributes:
        last_success: the newest run that succeeded.
        failing: the newest failure of each command that has not succeeded since, by command.
        failing_tasks: the newest run in which an erasure or a delivery failed that has not succeeded since, by task.
        unfinished: a run that started and has no end: it runs, or it was killed.
        last_load: the newest success that loaded; last_publication: the newest that published.
        published_load: the newest load whose data was published.
        recent: the newest outcomes, in the order of their records.
    """

    last_success: Outcome | None = None
    failing: dict[str, Outcome] = field(default_factory=dict)
    failing_tasks: dict[str, Outcome] = field(default_factory=dict)
    unfinished: Start | None = None
    published_load: Outcome | None = None
    last_load: Outcome | None = None
    last_publication: Outcome | None = None
    recent: list[Outcome] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    @property
    def last_failure(self) -> Outcome | None:
        """The newest failure that no success has ended."""
        return max(self.failing.values(), key=lambda outcome: outcome.ended_at, default=None)

    @property
    def fresh_at(self) -> datetime | None:
        """When the published data was as new as the API's, by this machine's clock."""
        return None if self.published_load is None else self.published_load.ended_at

    @property
    def failures(self) -> int:
        """How many runs have failed since a success of their command."""
        return sum(outcome.failures for outcome in self.failing.values())

    @property
    def failing_since(self) -> str | None:
        """The end of the first of these failures."""
        return min((outcome.failing_since or outcome.at for outcome in self.failing.values()), default=None)

    @property
    def needed(self) -> list[Outcome]:
        """The records that are sufficient to compute this state again (without ``recent``), the oldest first."""
        found = [
            self.published_load, self.last_load, self.last_publication, self.last_success, *self.failing.values(),
            *self.failing_tasks.values(),
        ]  # fmt: skip
        unique = {outcome.run: outcome for outcome in found if outcome is not None}
        return sorted(unique.values(), key=lambda outcome: outcome.ended_at)

    def counted(self, outcome: Outcome) -> Outcome:
        """The outcome with its counts of failures in a row: of the run (none for a success) and of its tasks."""
        if outcome.tasks is not None:
            outcome = replace(outcome, tasks={name: self._counted_task(name, outcome) for name in outcome.tasks})
        if outcome.result == OK:
            return outcome
        before = self.failing.get(outcome.command)
        since = None if before is None else before.failing_since
        return replace(outcome, failures=1 + (before.failures if before else 0), failing_since=since or outcome.at)

    def _counted_task(self, name: str, outcome: Outcome) -> dict[str, Any]:
        found = outcome.failed_tasks.get(name)
        if found is None:
            return {}
        known = self.task_failure(name)
        count = known.get("failures")
        since = known.get("failing_since")
        return {
            **found, "failures": 1 + (count if isinstance(count, int) else 0),
            "failing_since": since if isinstance(since, str) else outcome.at,
        }  # fmt: skip

    def task_failure(self, name: str) -> dict[str, Any]:
        """The known values of the newest failure of a task; empty where it has not failed since its last success."""
        known = self.failing_tasks.get(name)
        return {} if known is None else known.failed_tasks.get(name, {})

    def add(self, record: Start | Outcome) -> None:
        """Add the next record; a record that the new file of outcomes repeats counts once."""
        if isinstance(record, Start):
            self.unfinished = record
            return
        if record.run in self._seen:
            return
        self._seen.add(record.run)
        if self.unfinished is not None and self.unfinished.run == record.run:
            self.unfinished = None
        self.recent = [*self.recent, record][-RECENT:]
        self._add_tasks(record)
        if not record.is_success:
            if record.command not in OF_TASKS or not record.failed_tasks:
                self.failing[record.command] = record
            return
        self.last_success = record
        for command in ended_by(record.command):
            self.failing.pop(command, None)
        if record.streams is not None:
            self.last_load = record
        if record.warnings is not None:
            self.last_publication = record
        if record.command in LOADING and record.command in PUBLISHING:
            self.published_load = record
        elif record.command == "publish" and self.last_load is not None:
            self.published_load = self.last_load

    def _add_tasks(self, record: Outcome) -> None:
        for name, found in (record.tasks or {}).items():
            if found:
                self.failing_tasks[name] = record
            else:
                self.failing_tasks.pop(name, None)
        for command in completed_by(record):
            self.failing.pop(command, None)
        if record.is_success and record.command in DELIVERING:
            for name in {*self.failing_tasks} - {ERASURE} - {*(record.tasks or {})}:
                del self.failing_tasks[name]


def ended_by(command: str) -> tuple[str, ...]:
    """The commands whose failures a success of this one ends."""
    return COVERS.get(command, (command,))


def completed_by(outcome: Outcome) -> tuple[str, ...]:
    """The other commands that a run completed after they were interrupted, whatever its own result."""
    is_completed = outcome.tasks is not None and outcome.tasks.get(FORGET) == {} and outcome.command != FORGET
    return (FORGET,) if is_completed else ()


def history_of(records: Iterable[Start | Outcome]) -> History:
    """The state after all of ``records``, which are in the order of the file."""
    history = History()
    for record in records:
        history.add(record)
    return history


def killed(start: Start, noticed_at: datetime) -> Outcome:
    """The outcome of a run that started, has no end and holds no lock."""
    return Outcome(
        run=start.run, command=start.command, started_at=start.at,
        at=iso_utc_seconds(max(noticed_at, parse_utc(start.at))), result=KILLED, exit_code=1,
        error="Killed", message=KILLED_MESSAGE, next_step=KILLED_STEP,
    )  # fmt: skip
