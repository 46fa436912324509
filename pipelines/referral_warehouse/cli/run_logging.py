"""The log of a command on standard error: a handler of ``logging`` that writes the package's events, a line each.

A thread writes at least one line every 30 seconds. Without ``--log-format``, only warnings are shown and, where there
is no progress bar, that the run is alive.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import click

from referral_warehouse.cli.output import is_utf8
from referral_warehouse.cli.pace import Pace, pace_text
from referral_warehouse.display_text import LINE_COLUMNS, display_text, json_text
from referral_warehouse.events import PACKAGE_LOGGER, listed
from referral_warehouse.utc_times import iso_utc_seconds

# The limit is 30 seconds; five are a reserve for a busy machine.
MAX_SILENCE_S = 25.0
ALIVE = 25
"""Level of the line that shows that a run is alive: above INFO, below WARNING."""
OFF = logging.CRITICAL + 1
# Commands report these events themselves: in a summary on standard output, or as the error that ends them.
NOT_SHOWN = frozenset({"progress", "run_started", "run_finished", "run_failed", "recovered", "task"})

Facts = dict[str, Any]


class LogHandler(logging.Handler):
    """Writes the log of one command.

    Use as a context manager: for its length the handler is attached to the package's logger, and its thread runs.

    Attributes:
        pace: how fast calls are sent.
        tasks: the erasures and deliveries of the run: name → ``error`` and ``problem``; empty where one succeeded.
    """

    def __init__(
        self,
        style: str | None = None,
        *,
        verbose: bool = False,
        stream: TextIO | None = None,
        is_terminal: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare the log; nothing is written.

        Args:
            style: ``text``, ``json`` or None (warnings and progress, as text).
            verbose: Show every request as well.
            stream: Where lines go; standard error by default.
            is_terminal: Whether a progress bar can be seen there; determined from the stream by default.
            clock: Seconds, to measure the time since the last line.
            now: The time that lines begin with, UTC.
        """
        super().__init__()
        self.is_requested = style is not None
        self._as_json = style == "json"
        self._stream = sys.stderr if stream is None else stream
        shown = self._stream.isatty() if is_terminal is None else is_terminal
        # Not the handler's own level: requests are counted whether they are shown or not.
        self._threshold = logging.DEBUG if verbose else logging.INFO if style else logging.WARNING if shown else ALIVE
        self._clock = clock
        self._now = now
        self._write_lock = threading.Lock()
        self._closing = threading.Event()
        self._began = self._wrote_at = self._answered = clock()
        self._stage, self._facts = "start", Facts()
        self._calls = 0
        self.tasks: dict[str, dict[str, str]] = {}
        self.pace = Pace(clock)
        self._thread = threading.Thread(target=self._report_regularly, name="log", daemon=True)

    def __enter__(self) -> LogHandler:
        self.attach()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        self.detach()

    @property
    def calls(self) -> int:
        """Responses that arrived since the log was attached."""
        return self._calls

    def attach(self) -> None:
        """Receive the package's events of every level: those that are not shown are counted."""
        logger = logging.getLogger(PACKAGE_LOGGER)
        self._level_before = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)

    def detach(self) -> None:
        """Receive no more events."""
        logger = logging.getLogger(PACKAGE_LOGGER)
        logger.removeHandler(self)
        logger.setLevel(self._level_before)

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record, if it is shown.

        Overridden because a signal that raises while the lock of ``logging.Handler`` is taken may leave it locked.
        """
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record, and write it if it is shown."""
        event, facts = getattr(record, "event", "log"), dict(getattr(record, "fields", {}))
        if event == "request":
            self._calls += 1
            self.pace.answered()
            self._answered = self._clock()
        if event == "task":
            failure = {name: facts[name] for name in ("error", "problem")}
            self.tasks[facts["task"]] = failure if facts["problem"] else {}
        if event in ("stage", "progress"):
            name = facts["stage"]
            is_new = name != self._stage
            self._stage, self._facts = (
                name,
                {key: value for key, value in facts.items() if key not in ("stage", "calls_left")},
            )
            self.pace.expect(facts.get("calls_left"))
            if not is_new:
                return
        is_short_wait = event == "wait" and record.levelno < logging.INFO
        if event not in NOT_SHOWN and not is_short_wait:
            self._write(record.levelno, event, record.getMessage(), facts)

    def report_alive(self) -> float:
        """Write that the run is alive if the last line is old; returns the seconds until the next check."""
        now = self._clock()
        left = self._wrote_at + MAX_SILENCE_S - now
        if left > 0:
            return left
        pace = self.pace.facts()
        if "calls_left" not in pace:
            pace = Facts()
        facts = {"stage": self._stage, **self._facts, "calls": self._calls, **pace}
        self._wrote_at = now
        text = (
            f"still at {self._stage}{listed(self._facts)}: {now - self._began:.0f} s, {self._calls:,} calls, the last "
            f"response {now - self._answered:.0f} s ago"
        )
        if pace:
            text += f"; {pace_text(pace)}"
        facts |= {"running_s": round(now - self._began, 1), "last_answer_s": round(now - self._answered, 1)}
        self._write(ALIVE, "alive", text, facts)
        return MAX_SILENCE_S

    def _write(self, level: int, event: str, text: str, facts: Facts) -> None:
        """Write one line, if its level is shown. Errors of writing do not end a run."""
        if level < self._threshold:
            return
        with self._write_lock:
            self._wrote_at = self._clock()
            at = iso_utc_seconds(self._now())
            if self._as_json:
                name = "info" if level == ALIVE else logging.getLevelName(level).lower()
                record = {"at": at, "level": name, "event": event, "message": text, **facts}
                text = json_text(record, ascii_only=not is_utf8(self._stream))
            else:
                text = f"{at} {display_text(text, LINE_COLUMNS)}"
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                self._threshold = OFF

    def _report_regularly(self) -> None:
        while not self._closing.wait(self.report_alive()):
            pass


def open_log() -> LogHandler:
    """The log in the format of the command's options (see ``verbosity``)."""
    options = click.get_current_context().ensure_object(dict)
    return LogHandler(options.get("log_format"), verbose=options.get("verbose", False))
