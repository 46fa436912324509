"""A process that takes permits from a rate limiter and records when each call could have been sent."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from referral_warehouse.api.rate_limit.host import boot_clock
from referral_warehouse.api.rate_limit.limiter import CallLimits, RateLimiter
from referral_warehouse.api.rate_limit.store import CallStore


def main(path: str, journal: str, budget: str, window_s: str, calls: str) -> None:
    window = float(window_s)
    rate_limiter = RateLimiter(
        CallStore(Path(path), window_s=window, violations_that_stop=2), CallLimits(int(budget), window, window)
    )
    out = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for _ in range(int(calls)):
        permit = rate_limiter.acquire(time.sleep)
        os.write(out, f"{boot_clock()!r}\n".encode())
        permit.release()
    rate_limiter.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
