"""``sync --every``: repeats a sync until a signal ends it, for containers; after a failure it waits and tries again.

Must not know what a run does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import click

from referral_warehouse.cli.exit_codes import explain, report_end
from referral_warehouse.cli.output import DONE, warn, write_event
from referral_warehouse.display_text import json_text
from referral_warehouse.utc_times import iso_utc_seconds
from referral_warehouse.workspace.file_kinds import write_regular

HEALTH_FILE = "health.json"
FIRST_RETRY_S = 60
LONGEST_WAIT_S = 6 * 3600
CONFIGURATION, BUSY = 2, 75
MAY_PASS = frozenset({1, 4})
"""Exit codes of failures that may pass soon; the others need action by a person."""
SHORTEST_WAIT_S = 1.0


def wait_after(exit_code: int, failures: int, every_s: int, took_s: float) -> float:
    """Seconds to wait after a run.

    Args:
        exit_code: how it ended.
        failures: how many failed in a row, with this one.
        every_s: the interval from start to start.
        took_s: the duration of the run.

    Returns:
        The rest of the interval after a success. After a failure that may pass, a minute, doubled each time up to the
        interval. After one that needs a person, the interval, doubled each time up to six hours.
    """
    if exit_code in (0, BUSY):
        return max(SHORTEST_WAIT_S, every_s - took_s)
    doubled = 2 ** min(failures - 1, 30)
    if exit_code in MAY_PASS:
        return float(min(every_s, FIRST_RETRY_S * doubled))
    return float(min(every_s * doubled, max(every_s, LONGEST_WAIT_S)))


@dataclass(slots=True)
class Repetition:
    """Runs ``once`` every ``every_s`` seconds; ``state_dir`` gets the health file.

    ``sleep``, ``clock`` (seconds) and ``now`` (UTC) replace those of the machine.
    """

    once: Callable[[], None]
    every_s: int
    state_dir: Path
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _failures: int = 0
    _health: dict[str, Any] = field(default_factory=dict)

    def run(self, state: dict[str, Any]) -> NoReturn:
        """Run until a signal ends it. Args: ``state`` is the object of the command's context.

        Raises: Terminated for a signal; the error of the first run if that is one of configuration (exit code 2),
        because waiting would not correct it.
        """
        is_first = True
        self._health = {"pid": os.getpid(), "every_s": self.every_s, "last_exit_code": None, "last_success_at": None}
        while True:
            began = self.clock()
            state.pop(DONE, None)
            self._write("running", None)
            code = self._attempt(state, is_first)
            sys.stdout.flush()
            is_first = False
            self._failures = 0 if code in (0, BUSY) else self._failures + 1
            wait_s = wait_after(code, self._failures, self.every_s, self.clock() - began)
            self._health["last_exit_code"] = code
            if code == 0:
                self._health["last_success_at"] = iso_utc_seconds(self.now())
            self._write("waiting", wait_s)
            if state.get("log_format") or self._failures:
                text = f"The next sync begins in {wait_s:.0f} s."
                write_event("info", "waiting", text, as_json=state.get("log_format") == "json", wait_s=round(wait_s, 1))
            self.sleep(wait_s)

    def _attempt(self, state: dict[str, Any], is_first: bool) -> int:
        try:
            self.once()
        except Exception as error:
            end = explain(error)
            if end.is_stop or (is_first and end.exit_code == CONFIGURATION):
                raise
            as_json = state.get("log_format") == "json"
            return report_end(error, verbose=state.get("verbose", False), as_json=as_json, done=state.get(DONE))
        return 0

    def _write(self, what: str, wait_s: float | None) -> None:
        """Write the health file, where the directory exists already; a disk that is full is a warning."""
        if not self.state_dir.is_dir():
            return
        now = self.now()
        next_at = None if wait_s is None else iso_utc_seconds(now + timedelta(seconds=wait_s))
        found = {"state": what, "at": iso_utc_seconds(now), "next_run_at": next_at, "failures": self._failures}
        try:
            write_regular(self.state_dir / HEALTH_FILE, json_text({**found, **self._health}) + "\n")
        except OSError as error:
            warn("health", f"{self.state_dir / HEALTH_FILE} cannot be written: {error.strerror or error}.")


def repeat(once: Callable[[], None], every_s: int, state_dir: Path) -> NoReturn:
    """Run ``once`` until a signal ends it; see ``Repetition``."""
    Repetition(once, every_s, state_dir).run(click.get_current_context().ensure_object(dict))
