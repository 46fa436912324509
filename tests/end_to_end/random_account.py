"""A random account: every kind of action happens in it, also between any two calls of a sync.

``simulate(seed, folder)`` takes random actions, syncs now and then, checks every published snapshot, and compares
everything at the end, after the actions have stopped. The tests use a few seeds, ``make soak`` hundreds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import duckdb

from referral_warehouse.errors import IncompleteList
from referral_warehouse.load.reconcile import bisect
from referral_warehouse.load.runner import LoadReport, load
from referral_warehouse.sandbox import NoSuchRow, Quirks, Sandbox
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.truth import COLUMNS, differences

SMALL = {"ignore_per_page": True}  # 25 rows a page: a small account has several
QUIRK_SETS: list[dict[str, Any]] = [
    {},
    SMALL,
    SMALL | {"text_time_filters": True},
    SMALL | {"ids_as_strings": True, "booleans_as": "int"},
    SMALL | {"refuse_id_filters": True},
    SMALL | {"ignore_order": True},
    {"ignore_filters": True},
]
WITHOUT_DATE = ("first_name", "email", "meta", "reach", "referrals_count", "converted_referrals_count")
TOMBSTONED = ("campaigns", "users", "rewards", "rewards_issued", "coupons")


class RandomActions:
    """Random actions on one account, the same ones for the same seed and the same calls."""

    def __init__(self, world: Sandbox, rng: Random) -> None:
        self.world = world
        self.actions = 0
        self._rng = rng
        self._lock = threading.Lock()
        self._named = 0

    def happen(self, times: int = 1) -> None:
        """Take some random actions; an action for which no row is found is left out."""
        kinds = [getattr(self, name) for name in KINDS]
        with self._lock:
            for kind in self._rng.choices(kinds, [WEIGHTS.get(kind.__name__, 2) for kind in kinds], k=times):
                try:
                    kind()
                    self.actions += 1
                except (NoSuchRow, ValueError):
                    continue

    def _one(self, table: str, condition: str = "1") -> int:
        rows = self.world._store.all(f"select id from {table} where {condition} order by id")
        if not rows:
            raise NoSuchRow(table)
        return int(self._rng.choice(rows)[0])

    def _change(self, sql: str, *values: Any) -> None:
        with self.world._store.transaction():
            self.world._store.run(sql, *values)

    def join(self) -> None:
        campaign = self._one("campaigns")
        referrer = None
        if self._rng.random() < 0.7:
            referrer = self._one("users", f"campaign_id = {campaign}")
        late = self.world.now - timedelta(days=self._rng.choice((1, 40))) if self._rng.random() < 0.2 else None
        self.world.add_user(campaign, f"Alex {self.actions}", referrer_id=referrer, joined_at=late)

    def edit(self) -> None:
        self.world.edit_user(self._one("users"), first_name=f"Bo {self.actions}", email=f"bo{self.actions}@example.com")

    def view(self) -> None:
        self.world.grow_reach(self._one("users"), 3)

    def qualify(self) -> None:
        self.world.qualify(self._one("users", "qualified = 0"))

    def unqualify(self) -> None:
        self.world.unqualify(self._one("users", "qualified = 1"))

    def unsubscribe(self) -> None:
        self.world.unsubscribe(self._one("users", "unsubscribed = 0"))

    def subscribe_again(self) -> None:
        user = self._one("users", "unsubscribed = 1")
        self._change("update users set unsubscribed = 0, unsubscribed_at = null where id = ?", user)

    def leave(self) -> None:
        self.world.delete_user(self._one("users"))

    def issue(self) -> None:
        self.world.issue(self._one("dues"), in_process=self._rng.random() < 0.4)

    def issue_part(self) -> None:
        self.world.issue(self._one("dues", "total_due > 1"), 1)

    def complete(self) -> None:
        self.world.complete(self._one("issued", "issued_at is null"))

    def take_back(self) -> None:
        self._change("delete from issued where id = ?", self._one("issued"))

    def reprice(self) -> None:
        self.world.reprice(self._one("rewards"), f"{self._rng.randint(1, 90)}.{self._rng.randint(10, 99)}")

    def rename_reward(self) -> None:
        self._change("update rewards set name = ? where id = ?", f"Reward {self.actions}", self._one("rewards"))

    def rename_campaign(self) -> None:
        self._change("update campaigns set name = ? where id = ?", f"Campaign {self.actions}", self._one("campaigns"))

    def pause(self) -> None:
        self.world.pause_campaign(self._one("campaigns"))

    def launch(self) -> None:
        self.world.launch_campaign(self._one("campaigns"))

    def add_coupon(self) -> None:
        self._named += 1
        name = f"C {self._named} {self._rng.choice('é/%?#+&☕')} {self._rng.randint(0, 9)}"
        self.world.add_coupon(name, self._one("batches"))

    def give_coupon(self) -> None:
        self.world.issue_coupon(self._one("users"))

    def use_coupon(self) -> None:
        self.world.use_coupon(self._one("coupons", "referral_id is not null and used_at is null"))

    def return_coupon(self) -> None:
        self.world.return_coupon(self._one("coupons", "used_at is not null and referral_id is not null"))

    def move_coupon(self) -> None:
        coupon = self._one("coupons", "referral_id is not null")
        other = self._one("users", "id not in (select referral_id from coupons where referral_id is not null)")
        self._change("update coupons set referral_id = ? where id = ?", other, coupon)

    def drop_coupon(self) -> None:
        self.world.delete_coupon(self._one("coupons"))


KINDS = [name for name, value in vars(RandomActions).items() if callable(value) and name[0] != "_" and name != "happen"]
WEIGHTS = {"join": 8, "qualify": 5, "issue": 4, "view": 3, "leave": 3, "unqualify": 3}


@contextmanager
def short_pages() -> Iterator[None]:
    """Halve ranges of ids down to a few ids, so that bisection is used in a small account too."""
    with patch.multiple(bisect, LEAF_ROWS=6, SMALL_PAGES=1, MAX_PER_PAGE=6):
        yield


class CheckedWarehouse:
    """A warehouse and its account: syncs, and checks of every published snapshot."""

    def __init__(self, world: Sandbox, random_actions: RandomActions, rng: Random, folder: Path) -> None:
        self.world, self._random_actions, self._rng = world, random_actions, rng
        self.settings = Settings(
            api_token=Token(world.token), base_url=world.base_url, calls_per_minute=0, simulated_time=True,
            warehouse_dir=folder / "data", concurrency=rng.choice((1, 4)), sweep_every_days=1000,
            max_vanished_percent=100,
        )  # fmt: skip
        self.refusals = 0
        self._known: set[int] = set()
        self._reassigned: set[int] = set()

    def sync(self, action_probability: float = 0.0, *, sweep: bool = False) -> LoadReport | None:
        """One sync during random actions. Returns: None where the list changed too often, so that it was refused.

        Args: ``action_probability`` is that of actions after a request.
        """

        def meanwhile(event: dict[str, Any]) -> None:
            if event["kind"] == "request" and self._rng.random() < action_probability:
                self._random_actions.happen(self._rng.randint(1, 3))
                held = self._holders()
                self._reassigned |= {coupon for coupon, holder in holders.items() if held.get(coupon) != holder}

        before = {stream: self._ids(stream) for stream in COLUMNS}
        holders, self._reassigned = self._holders(), set()
        try:
            with short_pages():
                report = load(self.settings, sweep=sweep, on_event=meanwhile)
        except IncompleteList:
            assert action_probability, "refused, although nothing changed"
            assert (
                self.world.quirks.refuse_id_filters
                or self.world.quirks.ignore_filters
                or self.world.quirks.ignore_order
            )
            self.refusals += 1
            return None
        publish(self.settings, build(self.settings))
        self._check_snapshot(before, swept=report.swept)
        return report

    def _check_snapshot(self, before: dict[str, set[int]], *, swept: bool) -> None:
        """Check that no id is twice, no existing row is marked deleted, and no row that always existed is missing.

        Except for a coupon with an unknown name that was reassigned between the reads of its two users: no response
        contained it, so the next sweep finds it.
        """
        unseen = self._reassigned - self._known
        with duckdb.connect(str(self.settings.warehouse_path), read_only=True) as snapshot:
            for stream, (table, condition, columns) in COLUMNS.items():
                key, now = columns["id"], self._ids(stream)
                stored = [row[0] for row in snapshot.execute(f"select {key} from {table}").fetchall()]
                live = {row[0] for row in snapshot.execute(f"select {key} from {table} where {condition}").fetchall()}
                assert len(stored) == len(set(stored)), f"{table} holds an id twice"
                if stream in TOMBSTONED:
                    assert (set(stored) - live) & now == set(), f"{table}: marked as deleted, and exists"
                if stream == "coupons":
                    self._known = set(stored)
                    before[stream] -= unseen
                if stream != "coupons" or swept:
                    assert (before[stream] & now) - live == set(), f"{table}: existed all the time, and missing"

    def _holders(self) -> dict[int, int]:
        return {row["id"]: row["referral_id"] for row in self.world.rows("coupons") if row["referral_id"] is not None}

    def _ids(self, stream: str) -> set[int]:
        rows = self.world.rows(stream)
        return {row["id"] for row in rows if stream != "coupons" or row["referral_id"] is not None}

    def expect_equal(self, ignored: Callable[[str], bool] = lambda _problem: False) -> None:
        """Compare every stream and column, except for ignored problems. Raises: AssertionError with the first ones."""
        found = [text for stream in COLUMNS for text in differences(self.world, self.settings.warehouse_path, stream)]
        problems = [text for text in found if not ignored(text)]
        assert not problems, f"{len(problems)} problems: {problems[:6]}"


def needs_sweep(problem: str) -> bool:
    """Whether only a sweep is certain to correct a difference: counters, names, and coupons with another holder."""
    return problem.startswith("coupons ") or any(f": {name} is " in problem for name in WITHOUT_DATE)


def simulate(seed: int, folder: Path, *, actions: int = 400, syncs: int = 3) -> int:
    """Simulate one account from begin to end; returns the number of actions. Raises: AssertionError."""
    rng = Random(seed)
    quirks = QUIRK_SETS[seed % len(QUIRK_SETS)]
    with Sandbox(users=rng.choice((60, 130)), seed=seed, calls_per_minute=0, quirks=Quirks(**quirks)) as world:
        random_actions = RandomActions(world, rng)
        warehouse = CheckedWarehouse(world, random_actions, rng, folder)
        for number in range(syncs):
            warehouse.sync(rng.choice((0.0, 0.1, 0.4)) if number else 0.2, sweep=rng.random() < 0.2)
            random_actions.happen(rng.randint(1, 2 * actions // syncs))
            world.wait(rng.choice((60, 3_600, 2 * 86_400)))
        warehouse.sync()
        warehouse.expect_equal(needs_sweep)
        world.wait(60)
        warehouse.sync(sweep=True)
        warehouse.expect_equal()
        return random_actions.actions
