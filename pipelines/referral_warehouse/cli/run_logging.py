"""The log of a run on standard error: what it does and meets, a line each, never silent for half a minute.

Knows stages and the client's events as plain facts; it knows no stream, no command and no warehouse. Without
``--log-format`` it says only what people must hear (strikes, long waits) and, where no progress bar can be seen, that
it is still alive.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import click

from referral_warehouse.cli.output import is_utf8
from referral_warehouse.display_text import LINE_COLUMNS, display_text, json_text

# Half a minute without a line is the promise; five seconds are for a machine that is busy.
SILENCE_S = 25.0
LONG_WAIT_S = 5.0
LEVELS = ("debug", "info", "alive", "warning", "error")

Facts = dict[str, Any]


class Log:
    """Lines for one command. Use as a context manager: a thread of its own breaks silences while it is open."""

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
        """``style`` is ``text``, ``json`` or None (only what must be heard, as text)."""
        self.is_asked_for = style is not None
        self._as_json = style == "json"
        self._stream = sys.stderr if stream is None else stream
        shown = self._stream.isatty() if is_terminal is None else is_terminal
        quiet = "warning" if shown else "alive"
        self._threshold = LEVELS.index("debug" if verbose else "info" if style else quiet)
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._began = self._spoke = self._answered = clock()
        self._stage, self._facts = "start", Facts()
        self._calls = 0
        self._thread = threading.Thread(target=self._keep_talking, name="log", daemon=True)

    def __enter__(self) -> Log:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()

    def line(self, level: str, event: str, text: str, **facts: Any) -> None:
        """One line, if its level is shown. Nothing that cannot be written down ends a run."""
        if LEVELS.index(level) < self._threshold:
            return
        with self._lock:
            self._spoke = self._clock()
            moment = self._now().isoformat(timespec="seconds").replace("+00:00", "Z")
            if self._as_json:
                shown = "info" if level == "alive" else level
                record = {"at": moment, "level": shown, "event": event, "message": text, **facts}
                text = json_text(record, ascii_only=not is_utf8(self._stream))
            else:
                text = f"{moment} {display_text(text, LINE_COLUMNS)}"
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                self._threshold = len(LEVELS)

    def stage(self, name: str, facts: Facts) -> None:
        """The run has come this far; a stage is logged when it begins."""
        is_new = name != self._stage
        self._stage, self._facts = name, facts
        if is_new:
            self.line("info", "stage", f"{name}{_listed(facts)}", stage=name, **facts)

    def hear(self, event: Facts) -> None:
        """An event of the client: request, retry, strike or wait."""
        kind = event["kind"]
        facts = {name: value for name, value in event.items() if name != "kind"}
        if kind == "request":
            self._calls += 1
            self._answered = self._clock()
            self.line("debug", kind, f"HTTP {facts['status']} in {facts['elapsed_s']:.1f} s: {facts['path']}", **facts)
        elif kind == "strike":
            text = f"HTTP 429, strike {facts['strikes']} of the last 7 days: waiting {facts['wait_s']:.0f} s"
            self.line("warning", kind, f"{text} ({facts['path']})", **facts)
        elif kind == "retry":
            text = f"asking again in {facts['wait_s']:.1f} s ({facts['reason']}): {facts['path']}"
            self.line("info", kind, text, **facts)
        elif facts["wait_s"] >= LONG_WAIT_S:
            self.line("info", kind, f"waiting {facts['wait_s']:.0f} s: {facts['reason']}", **facts)

    def break_silence(self) -> float:
        """Say that the run is alive if nothing was said for long; returns the seconds until that may be needed."""
        now = self._clock()
        left = self._spoke + SILENCE_S - now
        if left > 0:
            return left
        facts = {"stage": self._stage, **self._facts, "calls": self._calls}
        self._spoke = now
        self.line(
            "alive", "alive",
            f"still at {self._stage}{_listed(self._facts)}: {now - self._began:.0f} s, {self._calls:,} calls, the last "
            f"answer {now - self._answered:.0f} s ago",
            **facts, running_s=round(now - self._began, 1), last_answer_s=round(now - self._answered, 1),
        )  # fmt: skip
        return SILENCE_S

    def _keep_talking(self) -> None:
        while not self._closing.wait(self.break_silence()):
            pass


def open_log() -> Log:
    """The log that the command under way was asked for (see ``speaking``)."""
    asked = click.get_current_context().ensure_object(dict)
    return Log(asked.get("log_format"), verbose=asked.get("verbose", False))


def _listed(facts: Facts) -> str:
    text = ", ".join(f"{value:,} {name}" for name, value in facts.items())
    return f" ({text})" if text else ""
