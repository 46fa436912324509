"""Violations count for the address of the machine, whichever token was used: the vendor blocks addresses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from referral_warehouse.api.rate_limit.address import AddressViolations, merged
from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.limiter import RateLimiter, open_rate_limiter, recorded_violations
from referral_warehouse.api.rate_limit.store import CallStore, Violation
from referral_warehouse.errors import ProtectiveStop
from referral_warehouse.settings import Settings, Token

DAY_S = 86_400


class Clock:
    """Both clocks of a machine, which a test sets."""

    def __init__(self) -> None:
        self.now = time.time()

    @property
    def host(self) -> HostClock:
        return HostClock(lambda: self.now - 1_699_000_000, lambda: self.now, "boot-1")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RateLimiter, RateLimiter]]:
    """The rate limiters of two tokens of one machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    found = [open_rate_limiter(settings, clock.host) for settings in _settings(tmp_path)]
    yield found[0], found[1]
    for rate_limiter in found:
        rate_limiter.close()


def _settings(tmp_path: Path) -> list[Settings]:
    alone = Settings(warehouse_dir=tmp_path / "data")
    return [replace(alone, api_token=Token(f"tok-of-account-{name}")) for name in ("one", "two")]


def _call(rate_limiter: RateLimiter) -> None:
    rate_limiter.acquire(lambda _: None).release()


def test_violations_of_two_tokens_stop_both(two: tuple[RateLimiter, RateLimiter], clock: Clock) -> None:
    one, other = two
    _call(one)
    _call(other)
    one.record_violation("429", 0.0)
    _call(one)
    clock.now += 2
    _call(other)
    other.record_violation("429", 0.0)
    clock.now += 2
    for rate_limiter in two:
        with pytest.raises(ProtectiveStop, match="'too many requests' 2 times"):
            _call(rate_limiter)
    clock.now += 7 * DAY_S
    for rate_limiter in two:
        _call(rate_limiter)


def test_a_block_of_the_address_stops_every_token(two: tuple[RateLimiter, RateLimiter], clock: Clock) -> None:
    one, other = two
    _call(other)
    one.block()
    clock.now += 2
    with pytest.raises(ProtectiveStop, match="this address is blocked"):
        _call(other)


def test_a_violation_counts_once_for_its_own_token(two: tuple[RateLimiter, RateLimiter], tmp_path: Path) -> None:
    one, other = two
    assert len(one.record_violation("429", 0.0)) == 1
    _call(one)
    for settings in _settings(tmp_path):
        assert len(recorded_violations(settings)) == (1 if settings.api_token is not None else 0)
    assert len(other.violations()) == 1


def test_forgiving_is_for_the_address(two: tuple[RateLimiter, RateLimiter], clock: Clock) -> None:
    one, other = two
    one.record_violation("429", 0.0)
    clock.now += 2
    other.record_violation("429", 0.0)
    assert other.forgive() == 2
    clock.now += 2
    assert [violation.what for violation in one.violations()] == ["429"], "its own is in its own store"
    _call(one)
    _call(other)


def test_violations_of_other_processes_count_within_a_second(tmp_path: Path, clock: Clock) -> None:
    stores = [
        CallStore(tmp_path / "address.sqlite3", window_s=60, violations_that_stop=2, clock=clock.host) for _ in range(2)
    ]
    reading, writing = (AddressViolations(store, clock.host.since_boot) for store in stores)
    assert reading.violations() == ()
    writing.record(["429"], clock.now)
    clock.now += 0.5
    assert reading.violations() == ()
    clock.now += 0.6
    assert len(reading.violations()) == 1
    for store in stores:
        store.close()


def test_violations_in_both_stores_count_once() -> None:
    first = Violation(datetime(2026, 1, 1, tzinfo=UTC), "429")
    block = Violation(first.at + timedelta(days=1), "block")
    assert merged([first, block, block], [block, block, first]) == (first, block, block)
    assert merged([first], [block]) == (first, block)
    assert merged([], []) == ()
