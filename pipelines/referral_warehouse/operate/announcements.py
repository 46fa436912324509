"""Reports the start and the end of a run: pings, notifications and metrics. A receiver that fails is one warning.

Decides which commands are reported; other modules define what an event is and how it is sent.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from datetime import datetime

from referral_warehouse.events import log_warning
from referral_warehouse.operate.health import STALE, UNPUBLISHED, Health
from referral_warehouse.operate.history import History
from referral_warehouse.operate.metrics import Measured, write_metrics
from referral_warehouse.operate.notifications import Event, events_of, payload, stale_event
from referral_warehouse.operate.outcomes import STOPPED, Outcome
from referral_warehouse.operate.receivers import ping, send
from referral_warehouse.operate.recorder import DISK_FULL
from referral_warehouse.settings import Settings
from referral_warehouse.settings.notify import NotifySettings
from referral_warehouse.utc_times import iso_utc_seconds
from referral_warehouse.workspace.file_kinds import read_regular, write_regular
from referral_warehouse.workspace.removal import reason

SILENT = frozenset({"demo"})
"""Simulated runs: nothing is sent about them."""
PINGED = frozenset({"sync", "publish"})
"""Commands whose start and success are pinged; the failures of all commands are."""
STALE_MARK = "stale-notified"


class Announcer:
    """Announces one run of a command.

    ``notify`` has the receivers. ``warn`` is called with what failed, at most once for each receiver. With
    ``is_silent`` nothing is sent.
    """

    def __init__(
        self, settings: Settings, notify: NotifySettings, command: str, warn: Callable[[str], None] | None = None,
        *, is_silent: bool = False,
    ) -> None:  # fmt: skip
        self._settings, self._notify, self._command = settings, notify, command
        self._is_silent = is_silent or command in SILENT
        self._warn = warn or (lambda text: log_warning("operate", "notification", text))
        self._failed: set[str] = set()

    def started(self, before: History, found_killed: Outcome | None, now: datetime) -> None:
        """A run has begun. ``before`` is the history without the killed run that was found, if one was."""
        if self._is_silent:
            return
        if found_killed is not None and found_killed.command not in SILENT:
            self._send(events_of(before, found_killed), found_killed, now)
        if self._command in PINGED:
            self._report(ping(self._notify, "/start"))

    def ended(self, before: History, outcome: Outcome, now: datetime) -> None:
        """A run has ended. ``before`` is the history without it."""
        if self._is_silent:
            return
        events = events_of(before, outcome)
        self._send(events, outcome, now)
        if outcome.is_success and self._command in PINGED:
            self._report(ping(self._notify))
        elif not outcome.is_success and outcome.result != STOPPED:
            self._report(ping(self._notify, "/fail", f"{outcome.command}: {outcome.message}"))

    def measured(self, measured: Measured) -> None:
        """Write the metrics of a run that ended; the caller holds the lock."""
        try:
            write_metrics(self._settings, measured)
        except Exception as error:  # of the disk, the snapshot or DuckDB: metrics never fail a run
            if measured.outcome.error != DISK_FULL:  # the run's own error says so already
                self._warn(f"{self._settings.state_dir / 'metrics.prom'} could not be written ({reason(error)})")

    def stale(self, health: Health, now: datetime) -> bool:
        """Send an alert about data that is too old, once until it is fresh again. Returns: whether an alert was sent
        now."""
        mark = self._settings.state_dir / STALE_MARK
        fresh_at = iso_utc_seconds(health.fresh_at) if health.fresh_at is not None else "never"
        alerted = (read_regular(mark) or b"").decode("utf-8", "replace")
        if health.state not in (STALE, UNPUBLISHED) or alerted == fresh_at:
            return False
        self._send([stale_event(health)], health.history.last_failure, now)
        try:
            write_regular(mark, fresh_at)
        except OSError as error:
            self._report([f"{mark} could not be written ({reason(error)}): the next check sends the alert again"])
        return True

    def _send(self, events: Iterable[Event], outcome: Outcome | None, now: datetime) -> None:
        wanted = [event for event in events if event.name in self._notify.events]
        if wanted and self._notify.has_receiver:
            directory, host = str(self._settings.warehouse_dir), platform.node() or "unknown"
            self._report(send(self._notify, payload(wanted, outcome, directory, host, iso_utc_seconds(now))))

    def _report(self, problems: list[str]) -> None:
        new = [text for text in problems if text.split()[0] not in self._failed]  # each begins with its receiver
        if new:
            self._failed |= {text.split()[0] for text in new}
            self._warn("; ".join(new) + ": the notification is lost; the run is not affected")
