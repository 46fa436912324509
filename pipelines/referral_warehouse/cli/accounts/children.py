"""Syncs accounts side by side, each in a process of its own: a process that fails or is killed ends no other.

A process is ``referrals sync --account NAME``; its lines of standard error get the name of the account in front.
Publishes nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from referral_warehouse.display_text import json_text
from referral_warehouse.operate.history import KILLED_MESSAGE, KILLED_STEP
from referral_warehouse.operate.outcomes import Outcome
from referral_warehouse.utc_times import parse_utc

if TYPE_CHECKING:
    from collections.abc import Callable

    from referral_warehouse.settings import Settings

PROGRAM = (sys.executable, "-P", "-m", "referral_warehouse")
"""The command line of this program, whichever way it was started."""
BUSY = 75
STOP_S = 60.0
"""Seconds from SIGTERM to SIGKILL; a process may have to write a package first."""
POLL_S = 0.2
"""Seconds between two checks for a signal to this process, while it waits for the others."""


@dataclass(frozen=True, slots=True)
class AccountRun:
    """How the sync of one account ended.

    Attributes:
        account: its name.
        exit_code: of the process; negative where a signal ended it.
        summary: what ``referrals sync --json`` printed; empty where it failed.
        outcome: the record of the run; None where it could not begin, or another process was syncing the account.
        last_line: the last line of its standard error.
    """

    account: str
    exit_code: int
    summary: dict[str, Any]
    outcome: Outcome | None
    last_line: str

    @property
    def is_failed(self) -> bool:
        return self.exit_code not in (0, BUSY)

    @property
    def error(self) -> str | None:
        """The class of the error; None where it succeeded."""
        if not self.is_failed:
            return None
        return (self.outcome.error if self.outcome is not None else None) or "Failed"

    @property
    def reason(self) -> str:
        """Why it failed, in words."""
        if self.exit_code < 0:
            return KILLED_MESSAGE
        found = self.outcome.message if self.outcome is not None else None
        return found or self.last_line.removeprefix("referrals: ") or "no reason is known."

    @property
    def next_step(self) -> str | None:
        if self.exit_code < 0:
            return KILLED_STEP
        return self.outcome.next_step if self.outcome is not None else None


class Children:
    """The processes of a sync of several accounts.

    Args:
        options: further options of ``referrals sync`` for each of them.
        log_format: ``json`` where lines of standard error are objects; they get the key ``account`` then.
        at_once: how many run side by side.
        write: receives each line of their standard error.
        ended: is called with each run when it has ended.
    """

    def __init__(
        self, options: Sequence[str], log_format: str | None, at_once: int, write: Callable[[str], None],
        ended: Callable[[AccountRun], None],
    ) -> None:  # fmt: skip
        self._options = list(options)
        self._is_json = log_format == "json"
        self._at_once = at_once
        self._write, self._ended = write, ended
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = Lock()
        self._is_stopped = False

    def run(self, accounts: Sequence[Settings]) -> list[AccountRun]:
        """Sync the accounts. A signal that ends this process ends theirs first."""
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="account") as pool:
            waiting: set[Future[AccountRun]] = {pool.submit(self._sync, settings) for settings in accounts}
            runs: list[AccountRun] = []
            try:
                while waiting:
                    done, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
                    for future in done:
                        runs.append(future.result())
                        self._ended(runs[-1])
            except BaseException:
                self._stop()
                raise
        order = [settings.account for settings in accounts]
        return sorted(runs, key=lambda run: order.index(run.account))

    def _sync(self, settings: Settings) -> AccountRun:
        name = settings.account
        command = [
            *PROGRAM, "sync", "--account", name, "--part", "--json",
            *self._options,
        ]  # fmt: skip
        began = datetime.now(UTC).replace(microsecond=0)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            with self._lock:
                if self._is_stopped:
                    return AccountRun(name, BUSY, {}, None, "")
                process = subprocess.Popen(  # noqa: S603 - this program
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, encoding="utf-8",
                    errors="replace", start_new_session=True,
                )  # fmt: skip
                self._running.add(process)
            last = ""
            for line in process.stderr or ():
                last = line.rstrip("\n")
                self._write(self._named(name, last))
            code = process.wait()
            with self._lock:
                self._running.discard(process)
            if process.stderr is not None:
                process.stderr.close()
            output.seek(0)
            summary = _summary(output.read())
        return AccountRun(name, code, summary, _outcome(settings, began), last)

    def _named(self, account: str, line: str) -> str:
        if self._is_json:
            with suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict):
                    return json_text({"account": account, **found}, ascii_only=True)
        return f"{account}: {line}"

    def _stop(self) -> None:
        """End all processes: with a signal first, which lets them end in order."""
        with self._lock:
            self._is_stopped = True
            running = list(self._running)
        for process in running:
            process.terminate()
        until = time.monotonic() + STOP_S
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()


def _summary(text: str) -> dict[str, Any]:
    """The object that a sync prints last; empty where there is none."""
    lines = text.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _outcome(settings: Settings, began: datetime) -> Outcome | None:
    """The record of the run that has just ended; None where there is none since ``began``."""
    from referral_warehouse.operate.outcome_log import OutcomeLog

    try:
        found = [record for record in OutcomeLog(settings.state_dir).read() if isinstance(record, Outcome)]
    except OSError:
        return None
    return found[-1] if found and found[-1].command == "sync" and parse_utc(found[-1].started_at) >= began else None
