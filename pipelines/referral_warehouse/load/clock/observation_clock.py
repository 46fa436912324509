"""When something was observed: the server's clock where it is credible, this machine's clock where it is not.

Pure: the clocks are given, nothing is read or written. All times are naive UTC; time zones and daylight saving have no
effect. The first response of a run decides whether the run continues:

======================================  ==============================================  =============================
server's Date                           this machine's clock                            observation is dated by
======================================  ==============================================  =============================
within the tolerance of this machine    after ``EARLIEST``                              the server
the same, both before the last stored   after ``EARLIEST``                              the server; the stored times
observation                                                                             are wrong and are corrected
absent, or outside the tolerance        not before the last observation                 this machine, with a warning
any                                     before ``EARLIEST``                             nothing: the run is refused
outside the tolerance                   before the last observation                     nothing: the run is refused
outside the tolerance                   over ``LONGEST_PAUSE`` after the last           nothing: the run is refused
                                        observation
plausible, over ``LONGEST_PAUSE``       nothing was observed before                     nothing: the run is refused
behind this machine
======================================  ==============================================  =============================

Later responses of a run are never refused: one whose Date is not credible is dated by this machine's clock, and no
observation is earlier than the one before it. With simulated time (a sandbox) the Date of every response is used as it
is, within ``SIMULATED``, and never before the last observation.

A Date counts seconds, and a run of a small account may take less than one. So that times show the order of runs, and of
what each of them found, new versions begin after the first observation of their run, and the next run observes nothing
before them: microseconds later, where the clocks show the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from referral_warehouse.errors import DataRefused

TOLERANCE = timedelta(minutes=15)
"""How far two clocks may differ and still agree: more than the error of any clock that is synchronised."""
TICK = timedelta(microseconds=1)
"""By how much new versions begin after the first observation of a run where the clocks show the same time."""
EARLIEST = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC
"""Before this software existed: a clock with an earlier time is wrong."""
LONGEST_PAUSE = timedelta(days=366)
"""A single clock that shows a longer time since the last observation is not credible."""
SIMULATED = (datetime(2000, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 - naive UTC
SET_THE_CLOCK = (
    "Set this machine's clock (`date -u` shows it), then run the same command again. If it is right, the server's is "
    "wrong: run again when the server's Date header is right; `referrals check` shows both."
)


def utc_now() -> datetime:
    """This machine's clock, naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def in_words(at: datetime | None) -> str:
    """A time as text, to the second."""
    return "no time" if at is None else f"{at.isoformat(sep=' ', timespec='seconds')} UTC"


class ObservationClock:
    """Dates the responses of one run.

    Args:
        last: The last credible stored observation, naive UTC; None where there is none.
        simulated: Whether the server has simulated time, which is used as it is.
        tolerance: How far the two clocks may differ and still agree.
        local: This machine's clock, naive UTC.
        steady: Seconds that no correction of this machine's clock changes.
    """

    def __init__(
        self,
        last: datetime | None = None,
        *,
        simulated: bool = False,
        tolerance: timedelta = TOLERANCE,
        local: Callable[[], datetime] = utc_now,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tolerance = tolerance
        self._last = last
        self._is_simulated = simulated
        self._local = local
        self._steady = steady
        self._began_at, self._began_s = local(), steady()
        self._first_at: datetime | None = None
        self._now: datetime | None = None
        self._is_server_used = False
        self._doubted: tuple[datetime | None, datetime] | None = None

    @property
    def now(self) -> datetime | None:
        """The newest observation of this run; None before the first."""
        return self._now

    @property
    def warnings(self) -> list[str]:
        """Warnings about the clocks of this run."""
        if self._doubted is None:
            return []
        server, local = self._doubted
        some = "some responses have" if self._is_server_used else "the server sends"
        what = "no readable Date" if server is None else f"a Date of {in_words(server)}"
        return [
            f"{some} {what} while this machine's clock shows {in_words(local)}: what they report is dated by this "
            "machine's clock"
        ]

    def observe(self, server_time: datetime | None) -> datetime:
        """The time of a response, naive UTC; never before that of the response before it.

        Args:
            server_time: The Date of the response (aware, or naive UTC); None where it has no readable one.

        Raises:
            DataRefused: At the first response, when neither clock is credible. Nothing may be written then.
        """
        server = _naive(server_time)
        if self._is_simulated:
            at = self._simulated(server)
        elif self._now is None:
            at = self._first(server)
        else:
            at = self._next(server)
        self._now = max(at, self._now or at)
        self._first_at = self._first_at or self._now
        return self._now

    def begin_versions(self, last: datetime | None) -> datetime | None:
        """When new versions begin, naive UTC: at the newest observation, or a microsecond after what they must follow.

        Args:
            last: When the last stored versions began; None where there are none.

        Returns:
            A time after ``last`` and after the first observation of this run; None before that.
        """
        if self._now is None or self._first_at is None:
            return None
        return max(self._now, self._first_at + TICK, self._first_at if last is None else last + TICK)

    def _first(self, server: datetime | None) -> datetime:
        local, last = self._local(), self._last
        if local < EARLIEST:
            raise self._refusal(server, local, "which is before this software existed")
        if server is not None and self._agree(server, local):
            self._is_server_used = True
            if last is not None and max(server, local) < last - self.tolerance:
                return server  # two clocks that agree outweigh an earlier time of one of them
            return self._not_stored(server)
        if last is not None and local < last - self.tolerance:
            raise self._refusal(server, local, f"which is before the last observation ({in_words(last)})")
        if last is not None and local > last + LONGEST_PAUSE:
            raise self._refusal(server, local, f"which is far after the last observation ({in_words(last)})")
        if last is None and server is not None and EARLIEST <= server < local - LONGEST_PAUSE:
            raise self._refusal(server, local, "and no stored time decides which of the two is right")
        self._doubted = server, local
        return self._not_stored(local)

    def _next(self, server: datetime | None) -> datetime:
        local = self._local()
        steady = self._began_at + timedelta(seconds=self._steady() - self._began_s)
        # either may be right: the local clock was set during the run, or the machine was suspended
        if server is not None and (self._agree(server, local) or self._agree(server, steady)):
            self._is_server_used = True
            return server
        if self._doubted is None:
            self._doubted = server, local
        return min(local, steady)

    def _simulated(self, server: datetime | None) -> datetime:
        is_usable = server is not None and SIMULATED[0] <= server < SIMULATED[1]
        known = self._now or (self._not_stored(self._last) if server is None and self._last else None)
        if known is not None:
            return server if server is not None and is_usable else known
        if server is None or not is_usable:
            raise DataRefused(
                f"The server should have simulated time, but its Date header names {in_words(server)}.",
                "Switch SOURCES__REFERRAL_FACTORY__SIMULATED_TIME off, or sync from a sandbox that sends its time.",
            )
        if self._last is not None and server < self._last - self.tolerance:
            raise DataRefused(
                f"The server's simulated time ({in_words(server)}) is before the last observation "
                f"({in_words(self._last)}).",
                "Sync a sandbox that starts again into another directory (WAREHOUSE__DIR).",
            )
        return self._not_stored(server)

    def _not_stored(self, at: datetime) -> datetime:
        """The time, or one after what the run before stored: its versions begin up to a tick after its observations."""
        return at if self._last is None else max(at, self._last + 2 * TICK)

    def _agree(self, server: datetime, local: datetime) -> bool:
        return abs(server - local) <= self.tolerance

    def _refusal(self, server: datetime | None, local: datetime, why: str) -> DataRefused:
        return DataRefused(
            f"The time of this run is not known: this machine's clock shows {in_words(local)}, {why}, and the server's "
            f"Date header names {in_words(server)}. Nothing was added to the history.",
            SET_THE_CLOCK,
        )


def _naive(at: datetime | None) -> datetime | None:
    if at is None or at.tzinfo is None:
        return at
    try:
        return at.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # the first or last hours of a calendar with four-digit years, with an offset
        return None
