"""One running account: its tables, quirks, rate limit, token and record of calls. Shared by all endpoints."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from referral_warehouse.sandbox.domain.lists import Lists
from referral_warehouse.sandbox.domain.people import refresh_live
from referral_warehouse.sandbox.domain.resources import TABLES
from referral_warehouse.sandbox.domain.store import Store
from referral_warehouse.sandbox.http.limiter import Limiter
from referral_warehouse.sandbox.http.rendering import Renderer, plain_rows
from referral_warehouse.sandbox.quirks import Quirks
from referral_warehouse.sandbox.simulation.daily import Day, simulate_day
from referral_warehouse.sandbox.simulation.seeding import seed_account


@dataclass(frozen=True)
class Call:
    """One API request as the server received it.

    ``path`` begins with /api/v1, ``authorized`` is whether it had the current token, ``at_s`` is the time by the
    limiter's clock, ``status`` 0 means a connection that was reset.
    """

    method: str
    path: str
    query: str
    status: int
    authorized: bool
    at_s: float


class Service:
    """The account behind a server; every method may be called from any thread."""

    def __init__(
        self,
        path: Path | None = None,
        users: int = 300,
        seed: int = 7,
        token: str = "sandbox-token",  # noqa: S107 - the sandbox's own, protects nothing
        calls_per_minute: int = 600,
        quirks: Quirks | None = None,
        limiter_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = Store(path)
        self.lists = Lists(self.store)
        self.limiter = Limiter(calls_per_minute, limiter_clock)
        self.limiter_clock = limiter_clock
        self.token = token
        self.webhook_token = hashlib.sha256(f"inbound:{token}".encode()).hexdigest()[:24]
        self._lock = threading.Lock()
        self._quirks = quirks or Quirks()
        self._since_quirks = 0
        self._list_calls = 0
        self._calls: list[Call] = []
        if self.store.state("day", "") == "":
            seed_account(self.store, seed, users, self._quirks.new_sources)

    # Quirks and the record of calls.

    @property
    def quirks(self) -> Quirks:
        return self._quirks

    def set_quirks(self, quirks: Quirks) -> None:
        """Replace all quirks; their counters restart."""
        with self._lock:
            self._quirks = quirks
            self._since_quirks = 0
            self._list_calls = 0

    def next_call(self) -> tuple[Quirks, int]:
        """The quirks in force for a call, and its number since they were set."""
        with self._lock:
            self._since_quirks += 1
            return self._quirks, self._since_quirks

    def record(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def calls(self) -> list[Call]:
        """The API requests since the last reset, in the order of their responses."""
        with self._lock:
            return list(self._calls)

    def reset_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    def is_authorized(self, header: str) -> bool:
        """Whether an Authorization header has the token."""
        scheme, _, sent = header.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            sent.strip().encode("utf-8", "surrogateescape"), self.token.encode()
        )

    def shift(self) -> None:
        """Apply the quirk ``shift_every`` before a list is read: delete or add a user, in turn."""
        with self._lock:
            self._list_calls += 1
            every = self._quirks.shift_every
            turn, rest = divmod(self._list_calls, every) if every else (0, 1)
        if rest == 0:
            with self.store.transaction():
                day = Day(self.store, Random(f"{self.store.state('seed', '0')}:shift:{turn}"), self._quirks.new_sources)
                if turn % 2 == 1:
                    day.leave()
                else:
                    day.join()

    # Time and rows.

    def advance(self, days: int = 1) -> None:
        """Simulate days; each is one transaction."""
        for _ in range(days):
            simulate_day(self.store, self._quirks.new_sources)

    def wait(self, seconds: int) -> None:
        """Let time pass in which nothing happens."""
        with self.store.transaction(tick=False):
            self.store.move_to(self.store.now + timedelta(seconds=seconds))
            refresh_live(self.store)

    def now_plus(self, seconds: int) -> datetime:
        """The account's current time plus some seconds."""
        return self.store.now + timedelta(seconds=seconds)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows of a table as documented, without quirks.

        Shape: money is Decimal, ``meta`` and ``sharing`` are objects; coupons also have batch_name and campaign_id.
        Raises: KeyError when there is no such table.
        """
        resource = TABLES[name]
        columns = Renderer(resource, Quirks(), plain=True).columns
        return plain_rows(resource, self.store.all(f"select {columns} from {resource.source} order by {resource.key}"))
