"""The correct times of each logged run, by which wrong times are corrected.

Pure. Runs are in the order in which they were logged, which does not depend on a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from referral_warehouse.load.clock.observation_clock import TICK
from referral_warehouse.load.clock.stored_times import Plausible


@dataclass(slots=True)
class LoggedRun:
    """A run as it was logged, and its corrected times (all naive UTC).

    ``streams_at`` are the first observations of its streams. ``began_at`` and ``ended_at`` are this machine's time,
    ``seen_from`` and ``seen_until`` the span of its observations; ``ended_at`` and the span are None where unknown.
    """

    run_id: str
    started_at: datetime | None
    finished_at: datetime | None
    observed_at: datetime | None
    streams_at: Sequence[datetime] = ()
    began_at: datetime | None = None
    ended_at: datetime | None = None
    seen_from: datetime | None = None
    seen_until: datetime | None = None
    is_wrong: bool = field(default=False)

    def holds(self, at: datetime, next_start: datetime | None) -> bool:
        """Whether a recorded time of this machine is within this run."""
        end = self.finished_at or next_start or datetime.max  # noqa: DTZ901 - naive UTC
        return self.started_at is not None and self.started_at <= at <= end


def correct_runs(runs: Sequence[LoggedRun], plausible: Plausible, before: datetime) -> None:
    """Fill in the corrected times of runs.

    A wrong start or end is replaced by what the run observed, else by the start of the run after it; a wrong
    observation by the start or the end of its run. The order of the runs stays.

    Args:
        runs: All logged runs, the first one first.
        plausible: The span in which a time may lie.
        before: All corrected times are before it.
    """
    limit = before
    for run in reversed(runs):
        seen = [t for t in (*run.streams_at, run.observed_at) if t is not None and not plausible.excludes(t)]
        run.ended_at, run.began_at = run.finished_at, run.started_at
        if plausible.excludes(run.finished_at):
            run.ended_at = min(max(seen, default=limit), limit - TICK)
        if plausible.excludes(run.started_at):
            run.began_at = min(min(seen, default=limit), (run.ended_at or limit) - TICK)
        if run.began_at is not None:
            limit = min(limit, run.began_at)
    floor: datetime | None = None
    for run in runs:
        _correct_observations(run, plausible, before, floor)
        if run.seen_until is not None:
            floor = max(run.seen_until, floor or run.seen_until)


def _correct_observations(run: LoggedRun, plausible: Plausible, before: datetime, floor: datetime | None) -> None:
    observed = [*run.streams_at, *([] if run.observed_at is None else [run.observed_at])]
    run.is_wrong = any(map(plausible.excludes, observed))
    if not run.is_wrong:
        if observed:
            run.seen_from, run.seen_until = min(observed), max(observed)
        return
    start, end = run.began_at or before, run.ended_at or before
    if floor is not None:  # the server's clock may have been ahead of this machine's in the run before
        start, end = max(start, floor + TICK), max(end, floor + 2 * TICK)
    good = [at for at in observed if not plausible.excludes(at)]
    run.seen_from, run.seen_until = min([start, *good]), max([min(end, before), *good])
