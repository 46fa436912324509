"""The violations of all tokens of a machine: the vendor blocks an address, whichever tokens were used from it.

A violation is written to the store of its token, which every call reads, and to that of the address, which every
process reads once a second at most. Knows stores; sends nothing.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from referral_warehouse.api.rate_limit.host import boot_clock
from referral_warehouse.api.rate_limit.store import CallStore, Violation

REREAD_AFTER_S = 1.0


def address_store_name(loopback_url: str | None) -> str:
    """The file name of the store of an address; each server on this machine has its own."""
    place = urlsplit(loopback_url).netloc if loopback_url else ""
    digest = hashlib.sha256(f"address\0{place}".encode()).hexdigest()
    return f"{'local-' if place else ''}address-{digest[:32]}.sqlite3"


class AddressViolations:
    """The violations that were recorded for an address, by whichever token.

    Args: ``clock`` counts seconds; ``reread_after_s``: for how many seconds violations that were read are used before
    the file is read again.
    """

    def __init__(
        self, store: CallStore, clock: Callable[[], float] = boot_clock, reread_after_s: float = REREAD_AFTER_S
    ) -> None:
        self._store = store
        self._clock = clock
        self._reread_after_s = reread_after_s
        self._lock = threading.Lock()
        self._known: tuple[Violation, ...] = ()
        self._read_at: float | None = None

    def record(self, what: Sequence[str], at: float) -> None:
        """Record violations. Units: ``at`` is seconds since the epoch."""
        self._store.record_violation(what, 0.0, at)
        with self._lock:
            self._read_at = None

    def violations(self) -> tuple[Violation, ...]:
        """The violations of the last seven days, oldest first."""
        with self._lock:
            now = self._clock()
            if self._read_at is None or not 0 <= now - self._read_at < self._reread_after_s:
                self._known, self._read_at = self._store.violations(), now
            return self._known

    def forgive(self) -> None:
        """Delete all."""
        self._store.forgive()
        with self._lock:
            self._read_at = None

    def close(self) -> None:
        self._store.close()


def merged(own: Sequence[Violation], of_address: Sequence[Violation]) -> tuple[Violation, ...]:
    """The violations of a token and of its address, oldest first; those that are in both stores count once."""
    found = Counter(own) | Counter(of_address)
    return tuple(sorted(found.elements(), key=lambda violation: violation.at))
