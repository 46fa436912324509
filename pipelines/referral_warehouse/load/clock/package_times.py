"""The correct load time of each dlt package, and its correct name.

dlt names a package by this machine's clock and restores the state of the one whose name is the latest, so a package of
the future would stay the newest for years. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from referral_warehouse.load.clock.run_times import LoggedRun
from referral_warehouse.load.clock.stored_times import Plausible

MILLISECOND = timedelta(milliseconds=1)


class PackageTimes:
    """The packages of a load file.

    Args:
        names: dlt's names of the packages, the first one first.
        runs: The logged runs, with their corrected times.
        plausible: The span in which a time may lie.
        before: All corrected times are before it.
    """

    def __init__(self, names: Iterable[str], runs: Sequence[LoggedRun], plausible: Plausible, before: datetime) -> None:
        self._runs = runs
        self._before = before
        self._loaded_at: dict[str, datetime] = {}
        self.renamed: dict[str, str] = {}
        """Package → its new name; only those whose name is a wrong time."""
        limit = before
        for name in reversed(list(names)):
            at = package_time(name)
            if at is None:
                continue
            if plausible.excludes(at):
                run = self._run_of(name)
                end = run.ended_at if run is not None and run.ended_at is not None else limit
                at = min(end, limit - MILLISECOND)
                self.renamed[name] = f"{at.replace(tzinfo=UTC).timestamp():.6f}"
            self._loaded_at[name] = at
            limit = min(limit, at)

    def seen_at(self, package: str | None) -> datetime:
        """When the rows of a package were observed, if it is known; else the latest possible time."""
        if package is None or package not in self._loaded_at:
            return self._before
        run, at = self._run_of(package), self._loaded_at[package]
        if run is not None and run.seen_from is not None and run.seen_until is not None:
            at = min(max(at, run.seen_from), run.seen_until)
        return min(at, self._before)

    def _run_of(self, package: str) -> LoggedRun | None:
        recorded = package_time(package)
        starts = [run.started_at for run in self._runs[1:]]
        for run, next_start in zip(self._runs, [*starts, None], strict=False):
            if recorded is not None and run.holds(recorded, next_start):
                return run
        return None


def package_time(name: str) -> datetime | None:
    """The time that a package is named by, naive UTC; None for any other name."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(float(name), UTC).replace(tzinfo=None)
    return None
