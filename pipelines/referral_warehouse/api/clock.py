"""The clocks that a client reads and the way it sleeps, so that tests can replace all three together.

Knows nothing of calls; the stop signal ends a sleep early.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientClock:
    """Units: seconds.

    Attributes:
        monotonic: measures durations.
        wall: the time since the epoch by this machine's clock.
        sleep: replaces the sleep that ``Client.stop`` interrupts; None for that one.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], object] | None = None
