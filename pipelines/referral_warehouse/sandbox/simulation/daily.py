"""Simulates a day: which actions happen, to whom and when; deterministic for seed, day and tables."""

from __future__ import annotations

from datetime import timedelta
from math import exp
from random import Random

from referral_warehouse.sandbox.domain import coupons, people, rewards
from referral_warehouse.sandbox.domain.store import START, Store, stamp
from referral_warehouse.sandbox.simulation import names
from referral_warehouse.sandbox.simulation.account import QUALIFYING_DAYS, QUALIFYING_SHARE

# Actions of a day: name, minimum count, probability of one more, and additional actions as a share of all users. Who
# qualifies is drawn person by person (``Day.draw_qualifying``).
DAY = (
    ("join", 3, 0.5, 0.010),
    ("unqualify", 0, 0.7, 0.0005),
    ("unsubscribe", 0, 0.8, 0.001),
    ("edit", 1, 0.5, 0.002),
    ("view", 2, 0.5, 0.005),
    ("leave", 0, 0.7, 0.0005),
    ("issue", 1, 0.7, 0.003),
    ("complete", 0, 0.8, 0.001),
    ("reprice", 0, 0.15, 0.0),
    ("give_coupon", 1, 0.5, 0.003),
    ("redeem_coupon", 0, 0.8, 0.001),
    ("drop_coupon", 0, 0.05, 0.0),
    ("pause", 0, 0.06, 0.0),
    ("launch", 0, 0.04, 0.0),
)


def simulate_day(store: Store, new_sources: bool = False) -> None:
    """Simulate the next day, from 8:00 to 8:00, in one transaction; the clock moves by one day."""
    with store.transaction(tick=False):
        day = int(store.state("day", "0"))
        rng = Random(f"{store.state('seed', '0')}:day:{day}")
        size = store.number("select count(*) from users")
        plan = [
            name
            for name, least, chance, share in DAY
            for _ in range(least + (rng.random() < chance) + int(size * share))
        ]
        start = START + timedelta(days=day)
        today = Day(store, rng, new_sources)
        plan += ["qualify"] * today.draw_qualifying()
        rng.shuffle(plan)
        for index, name in enumerate(plan):
            planned = start + timedelta(seconds=(index + 1) * 86_000 // (len(plan) + 1))
            store.move_to(max(planned, store.now + timedelta(seconds=1)))
            getattr(today, name)()
        store.move_to(start + timedelta(days=1))
        people.refresh_live(store)
        store.keep_state("day", str(day + 1))


class Day:
    """The actions of a day, a method each; an action for which no row is found does nothing."""

    def __init__(self, store: Store, rng: Random, new_sources: bool) -> None:
        self._store = store
        self._rng = rng
        self._sources = names.SOURCES + (names.NEW_SOURCES if new_sources else ())
        self._qualifying: list[int] = []

    def draw_qualifying(self) -> int:
        """Draw the referrals that qualify today, by the distribution of the seeded past; returns how many.

        The probability is that of qualifying on the next day, for a referral that has not qualified in ``age_days``.
        """
        begin = self._store.now
        candidates = self._store.all(
            "select id, julianday(?) - julianday(date) from users "
            "where qualified = 0 and referrer_id is not null and date > ? order by id",
            stamp(begin),
            stamp(begin - timedelta(days=10 * QUALIFYING_DAYS)),
        )
        for user_id, age_days in candidates:
            if self._rng.random() < 1 - _share_unqualified(age_days + 1) / _share_unqualified(age_days):
                self._qualifying.append(user_id)
        self._rng.shuffle(self._qualifying)
        return len(self._qualifying)

    def join(self) -> None:
        store, rng = self._store, self._rng
        referrer: int | None = None
        campaign_id = store.number("select id from campaigns where status = 'launched' order by id limit 1")
        drawn = self._pick("users", "campaign_id in (select id from campaigns where status = 'launched')")
        if drawn is not None:
            campaign_id, their_referrer = store.must(
                "user", "select campaign_id, referrer_id from users where id = ?", drawn
            )
            if rng.random() < 0.6:
                # Half are referred by the referrer of the drawn person: people with many referrals get more.
                exists = their_referrer is not None and store.one("select 1 from users where id = ?", their_referrer)
                referrer = their_referrer if exists and rng.random() < 0.5 else drawn
        if campaign_id == 0:
            return
        source = "Referred" if referrer is not None and rng.random() < 0.95 else rng.choice(self._sources)
        number = store.number("select seq from sqlite_sequence where name = 'users'") + 1
        people.add_user(
            store,
            campaign_id,
            names.first_name(rng),
            names.email(rng, number),
            referrer_id=referrer,
            source=source,
            meta=names.meta(rng),
        )

    def qualify(self) -> None:
        """The next drawn person qualifies; most people with a coupon qualify by using it."""
        store, user_id = self._store, self._qualifying.pop()
        if store.one("select 1 from users where id = ? and qualified = 0", user_id) is None:
            return
        coupon = store.one("select id from coupons where referral_id = ? and used_at is null", user_id)
        if coupon is not None and self._rng.random() < 0.8:
            coupons.use_coupon(store, coupon[0])
        else:
            people.qualify(store, user_id)

    def unqualify(self) -> None:
        user_id = self._pick("users", "qualified = 1")
        if user_id is not None:
            people.unqualify(self._store, user_id)

    def unsubscribe(self) -> None:
        user_id = self._pick("users", "unsubscribed = 0")
        if user_id is not None:
            people.unsubscribe(self._store, user_id)

    def edit(self) -> None:
        user_id = self._pick("users", "1")
        if user_id is None:
            return
        draw = self._rng.random()
        people.edit_user(
            self._store,
            user_id,
            first_name=names.first_name(self._rng) if draw < 0.6 else None,
            email=f"new.{user_id}.{int(draw * 1e6)}@example.com" if draw > 0.4 else None,
            meta=names.meta(self._rng) if draw > 0.85 else None,
        )

    def view(self) -> None:
        user_id = self._pick("users", "1")
        if user_id is not None:
            people.grow_reach(self._store, user_id, 1 + int(self._rng.expovariate(0.2)))

    def leave(self) -> None:
        user_id = self._pick("users", "1")
        if user_id is not None:
            people.delete_user(self._store, user_id)

    def issue(self) -> None:
        due_id = self._pick("dues", "1")
        if due_id is None:
            return
        total = self._store.number("select total_due from dues where id = ?", due_id)
        part = self._rng.randint(1, total) if self._rng.random() < 0.3 else None
        rewards.issue(self._store, due_id, part, in_process=self._rng.random() < 0.35)

    def complete(self) -> None:
        issued_id = self._pick("issued", "issued_at is null")
        if issued_id is not None:
            rewards.complete(self._store, issued_id)

    def reprice(self) -> None:
        reward_id = self._pick("rewards", "1")
        if reward_id is not None:
            price = self._store.number("select value_mills from rewards where id = ?", reward_id)
            cents = max(1, price // 10 * self._rng.randint(80, 125) // 100)
            rewards.reprice(self._store, reward_id, f"{cents // 100}.{cents % 100:02d}")

    def give_coupon(self) -> None:
        user_id = self._pick(
            "users",
            "campaign_id in (select campaign_id from batches) "
            "and not exists (select 1 from coupons k where k.referral_id = users.id)",
        )
        if user_id is None:
            return
        store = self._store
        campaign_id = store.number("select campaign_id from users where id = ?", user_id)
        batch_id = store.number("select max(id) from batches where campaign_id = ?", campaign_id)
        free = "select count(*) from coupons where batch_id = ? and issued_at is null"
        if store.number(free, batch_id) == 0:
            last = store.number("select max(id) from coupons")
            for number in range(last + 1, last + 21):
                coupons.add_coupon(store, names.coupon_name(self._rng, batch_id, 10_000 + number), batch_id)
        coupons.issue_coupon(store, user_id)

    def redeem_coupon(self) -> None:
        """A user who has qualified already uses a coupon: no date of the user changes."""
        coupon_id = self._pick(
            "coupons", "used_at is null and referral_id in (select id from users where qualified = 1)"
        )
        if coupon_id is not None:
            coupons.use_coupon(self._store, coupon_id)

    def drop_coupon(self) -> None:
        coupon_id = self._pick("coupons", "used_at is null")
        if coupon_id is not None:
            coupons.delete_coupon(self._store, coupon_id)

    def pause(self) -> None:
        campaign_id = self._pick("campaigns", "status = 'launched'")
        if campaign_id is not None and campaign_id != 1:  # the largest one stays launched
            people.set_campaign_status(self._store, campaign_id, "paused")

    def launch(self) -> None:
        campaign_id = self._pick("campaigns", "status <> 'launched'")
        if campaign_id is not None:
            people.set_campaign_status(self._store, campaign_id, "launched")

    def _pick(self, table: str, condition: str) -> int | None:
        """A random row: the first match from a random id on, or else from the start."""
        last = self._store.number(f"select max(id) from {table}")
        for start in (self._rng.randint(1, max(last, 1)), 0):
            row = self._store.one(f"select id from {table} where id >= ? and {condition} order by id limit 1", start)
            if row is not None:
                return int(row[0])
        return None


def _share_unqualified(age_days: float) -> float:
    return 1 - QUALIFYING_SHARE * (1 - exp(-max(age_days, 0.0) / QUALIFYING_DAYS))
