"""Compares marts.period_changes with the daily funnels that were published, sync by sync."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from referral_warehouse.load.runner import load
from referral_warehouse.sandbox import NoSuchRow, Sandbox
from referral_warehouse.sandbox.domain.store import stamp
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.end_to_end.random_account import RandomActions

MEASURES = ("new_users_count", "new_referrals_count", "qualified_count", "unsubscribed_count", "deleted_count")
SUMS = ", ".join(f"sum({measure})" for measure in MEASURES)
DAILY = f"select campaign_id, day_on, {SUMS} from marts.referral_funnel_daily group by all"
CHANGES = (
    "select campaign_id, day_on, measure, first_published_count, current_count, change_count from marts.period_changes"
)
BEGAN = "select max_by(observed_at, run_id) from ops.run_streams where stream = 'users'"
Counts = dict[tuple[int, date, str], int]


class Corrections(RandomActions):
    """Random actions, and changes of people that leave no date."""

    def correct(self) -> None:
        """One change that alters closed days, or may alter them."""
        user, campaign, other = self._one("users"), self._one("campaigns"), self._one("users")
        earlier = stamp(self.world.now - timedelta(days=self._rng.randint(1, 9)))
        kinds: list[tuple[str, tuple[Any, ...]]] = [
            ("update users set campaign_id = ? where id = ?", (campaign, user)),
            ("update users set date = ? where id = ?", (earlier, user)),
            ("update users set referrer_id = null where id = ?", (user,)),
            ("update users set referrer_id = ? where id = ?", (other, user)),
            ("update users set qualified_at = ? where id = ? and qualified = 1", (earlier, user)),
            ("update users set qualified = 1, qualified_at = ? where id = ?", (earlier, user)),
            ("update users set unsubscribed = 1, unsubscribed_at = ? where id = ?", (earlier, user)),
        ]
        statement, values = self._rng.choice(kinds)
        self._change(statement, *values)

    def requalify(self) -> None:
        """Un-qualify a person and qualify the person again at once, with a later date."""
        user = self._one("users", "qualified = 1 and referrer_id is not null")
        self.world.unqualify(user)
        self.world.qualify(user)


def published(settings: Settings) -> tuple[Counts, dict[tuple[int, date, str], tuple[int, int]], date]:
    """The counts of each day, the changes (first and current count), and the day on which the sync began."""
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        daily = connection.execute(DAILY).fetchall()
        rows = connection.execute(CHANGES).fetchall()
        ((began_at,),) = connection.execute(BEGAN).fetchall()
    counts = {(c, day, name): int(n) for c, day, *found in daily for name, n in zip(MEASURES, found, strict=True) if n}
    changes: dict[tuple[int, date, str], tuple[int, int]] = {}
    sums: dict[tuple[int, date, str], int] = {}
    for campaign, day, measure, first, current, change in rows:
        key = (campaign, day, measure)
        assert changes.setdefault(key, (first, current)) == (first, current)
        sums[key] = sums.get(key, 0) + change
    assert {key: current - first for key, (first, current) in changes.items()} == sums
    # reasons that cancel out leave rows and no difference
    return counts, {key: pair for key, pair in changes.items() if sums[key]}, began_at.date()


@pytest.mark.full  # a minute each
@pytest.mark.parametrize("seed", range(1, 5))
def test_closed_days_differ_from_what_was_published_as_the_mart_says(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "machine"))
    rng = Random(seed)
    first: Counts = {}
    closed_until = date.min
    seen = 0
    with Sandbox(users=90, seed=seed, calls_per_minute=0) as world:
        settings = Settings(
            api_token=Token(world.token), base_url=world.base_url, calls_per_minute=0, simulated_time=True,
            warehouse_dir=tmp_path / "data", sweep_every_days=1000, max_vanished_percent=100,
        )  # fmt: skip
        actions = Corrections(world, rng)
        for number in range(8):

            def meanwhile(event: dict[str, Any], busy: bool = number in (3, 5)) -> None:
                if busy and event["kind"] == "request" and rng.random() < 0.2:
                    actions.happen(2)
                    world.wait(rng.choice((1, 3_600)))

            load(settings, sweep=number % 2 == 1, on_event=meanwhile)
            publish(settings, build(settings))
            counts, changes, began_on = published(settings)
            for key in counts:
                if closed_until <= key[1] < began_on:
                    first[key] = counts[key]
            closed_until = max(closed_until, began_on)
            closed = {key: n for key, n in counts.items() if key[1] < closed_until}
            expected = {
                key: (first.get(key, 0), closed.get(key, 0))
                for key in first.keys() | closed.keys()
                if first.get(key, 0) != closed.get(key, 0)
            }
            assert changes == expected, f"sync {number}"
            seen += len(changes)
            actions.happen(rng.randint(5, 40))
            for _ in range(6):
                try:
                    actions.correct()
                    actions.requalify()
                except NoSuchRow:
                    continue
            world.wait(rng.choice((600, 40_000, 86_400, 3 * 86_400)))
    assert seen > 20, "days must have changed"
