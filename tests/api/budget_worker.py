"""A process that sends requests through the real client, several at once, within a budget of any window."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from referral_warehouse.api.client import Client
from referral_warehouse.api.query import Query
from referral_warehouse.api.rate_limit.limiter import VIOLATIONS_THAT_STOP, CallLimits, RateLimiter
from referral_warehouse.api.rate_limit.store import CallStore
from referral_warehouse.settings import Settings, Token

TOKEN = "sandbox-token"


def main(base_url: str, folder: str, journal: str, budget: str, window_s: str, calls: str, threads: str) -> None:
    """``window_s`` is the length of a minute; the margin and the hold are as much shorter as it is."""
    minute = float(window_s)
    settings = Settings(
        api_token=Token(TOKEN), base_url=base_url, calls_per_minute=int(budget), concurrency=int(threads),
        timeout_s=30.0, warehouse_dir=Path(folder) / "data",
    )  # fmt: skip
    counted_s = minute + 0.1 * minute / 60
    call_store = CallStore(
        Path(folder) / "calls.sqlite3", window_s=counted_s, violations_that_stop=VIOLATIONS_THAT_STOP
    )
    rate_limiter = RateLimiter(call_store, CallLimits(int(budget), 3 * minute, counted_s))
    out = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with Client(settings, rate_limiter=rate_limiter) as client, ThreadPoolExecutor(int(threads)) as pool:

        def send(number: int) -> None:
            client.get(Query("users", per_page=None, page=number + 1))
            os.write(out, b".")

        list(pool.map(send, range(int(calls))))
    rate_limiter.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
