"""A process of its own that takes calls from a ledger and writes down when each could have been sent."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from pipelines.api.ledger import Ledger
from pipelines.api.machine import boot_clock
from pipelines.api.throttle import Throttle


def main(path: str, journal: str, budget: str, window_s: str, calls: str) -> None:
    window = float(window_s)
    throttle = Throttle(
        Ledger(Path(path), window_s=window, strikes_that_stop=2), int(budget), hold_s=window, window_s=window
    )
    out = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for _ in range(int(calls)):
        permit = throttle.acquire(time.sleep)
        os.write(out, f"{boot_clock()!r}\n".encode())
        permit.release()
    throttle.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
