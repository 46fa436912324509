"""The people of a new account and their past, computed in memory and written in bulk.

The result equals that of the functions of ``people``, ``rewards`` and ``coupons``, events included; it is computed
separately because half a million such calls would take minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from referral_warehouse.sandbox.domain.people import SHARE_HOST, code_of
from referral_warehouse.sandbox.domain.rewards import IN_PROCESS, ISSUED, REFERRING
from referral_warehouse.sandbox.domain.store import START, Store
from referral_warehouse.sandbox.simulation import names
from referral_warehouse.sandbox.simulation.account import (
    HISTORY_DAYS,
    QUALIFYING_DAYS,
    QUALIFYING_SHARE,
    seed_campaigns,
)

_DAY_S = 86_400


@dataclass(slots=True)
class _Person:
    id: int
    campaign_id: int
    referrer: _Person | None
    joined_s: int  # seconds since the beginning of the seeded past
    first_name: str
    email: str
    source: str
    meta: str
    qualified_s: int | None = None
    unsubscribed_s: int | None = None
    is_deleted: bool = False
    reach: int = 0
    depth: int = 0
    referrals: list[_Person] = field(default_factory=list)


def seed_account(store: Store, seed: int, users: int, new_sources: bool = False) -> None:
    """Fill an empty store with campaigns and ``users`` people who joined within the last half year.

    Deterministic for a seed and a number of users.
    """
    rng = Random(f"{seed}:world:{users}")
    with store.transaction(tick=False):
        store.keep_state("seed", str(seed))
        store.keep_state("day", "0")
        seed_campaigns(store, rng, users)
        events = _SeededEvents(store)
        people = _grow_trees(rng, users, new_sources)
        _draw_dates(rng, people)
        _write_people(store, events, str(seed), people)
        _write_rewards(store, events, rng, people)
        _write_coupons(store, events, rng, people)
        events.write()


class _SeededEvents:
    """Events in any order, appended to the log in the order of their times."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: list[tuple[Any, ...]] = []

    def log(self, at_s: int, kind: str, user: int | None = None, campaign: int | None = None, **more: Any) -> None:
        ids = [more.get(name) for name in ("reward", "recipient", "due", "issued", "coupon", "count", "mills")]
        self._events.append((at_s, kind, user, campaign, *ids))

    def write(self) -> None:
        self._events.sort(key=lambda event: event[0])
        rows = [(None, _stamp_at(event[0]), *event[1:], None) for event in self._events]
        self._store.insert("events", rows)


def _stamp_at(at_s: int) -> str:
    """The stored timestamp of a second of the seeded past."""
    return (_BEGIN + timedelta(seconds=at_s)).isoformat(" ")


_BEGIN = (START - timedelta(days=HISTORY_DAYS)).replace(tzinfo=None)
_PERIOD_S = HISTORY_DAYS * _DAY_S


def _grow_trees(rng: Random, users: int, new_sources: bool) -> list[_Person]:
    """People in the order of joining, by preferential attachment (an urn for each campaign); one chain is deep."""
    campaigns = [1, *range(3, 9 + min(60, users // 1000))]
    weights = [1 / (rank + 1) for rank in range(len(campaigns))]
    campaign_of = rng.choices(campaigns, weights, k=users)
    sources = names.SOURCES + (names.NEW_SOURCES if new_sources else ())
    urns: dict[int, list[_Person]] = {}
    chain: _Person | None = None
    depth = min(500, users // 10)
    people: list[_Person] = []
    user_id = 0
    for index in range(users):
        user_id += 1 if rng.random() < 0.99 else 2  # ids have gaps where people were deleted
        campaign_id = campaign_of[index]
        urn = urns.setdefault(campaign_id, [])
        referrer = urn[int(rng.random() * len(urn))] if urn and rng.random() < 0.6 else None
        if campaign_id == 1 and chain is not None and chain.depth < depth and rng.random() < 0.5:
            referrer = chain
        invited = referrer is not None and rng.random() < 0.95
        source = "Referred" if invited else sources[int(rng.random() * len(sources))]
        person = _Person(
            user_id,
            campaign_id,
            referrer,
            _PERIOD_S * index // max(users, 1),
            names.first_name(rng),
            names.email(rng, user_id),
            source,
            names.meta(rng),
        )
        urn.append(person)
        if referrer is not None:
            person.depth = referrer.depth + 1
            referrer.referrals.append(person)
            urn.append(referrer)
        if campaign_id == 1 and (chain is None or referrer is chain):
            chain = person
        people.append(person)
    return people


def _draw_dates(rng: Random, people: list[_Person]) -> None:
    for person in people:
        left_s = _PERIOD_S - person.joined_s - 1
        if rng.random() < (QUALIFYING_SHARE if person.referrer else 0.03):
            after_s = int(rng.expovariate(1 / (QUALIFYING_DAYS * _DAY_S))) + 60
            if after_s < left_s:
                person.qualified_s = person.joined_s + after_s
        if left_s > 10 and rng.random() < 0.04:
            person.unsubscribed_s = person.joined_s + int(rng.random() * left_s)
        person.reach = int(rng.paretovariate(1.2)) - 1 + 2 * len(person.referrals)
        person.is_deleted = bool(person.referrals) and rng.random() < 0.01  # the referrals become orphans


def _write_people(store: Store, events: _SeededEvents, seed: str, people: list[_Person]) -> None:
    rows = []
    reach: dict[int, int] = {}
    for person in people:
        events.log(
            person.joined_s,
            "user_joined",
            person.id,
            person.campaign_id,
            recipient=person.referrer.id if person.referrer else None,
        )
        if person.is_deleted:
            events.log(_PERIOD_S - 1, "user_deleted", person.id, person.campaign_id)
            continue
        if person.qualified_s is not None:
            events.log(person.qualified_s, "user_qualified", person.id, person.campaign_id)
        if person.unsubscribed_s is not None:
            events.log(person.unsubscribed_s, "user_unsubscribed", person.id, person.campaign_id)
        reach[person.campaign_id] = reach.get(person.campaign_id, 0) + person.reach
        remaining = [friend for friend in person.referrals if not friend.is_deleted]
        code = code_of(seed, person.id)
        rows.append(
            (
                person.id,
                person.campaign_id,
                person.referrer.id if person.referrer else None,
                person.first_name,
                person.email,
                code,
                f"{SHARE_HOST}/{code}",
                person.qualified_s is not None,
                None if person.qualified_s is None else _stamp_at(person.qualified_s),
                person.unsubscribed_s is not None,
                None if person.unsubscribed_s is None else _stamp_at(person.unsubscribed_s),
                person.reach,
                len(remaining),
                sum(friend.qualified_s is not None for friend in remaining),
                person.source,
                _stamp_at(person.joined_s),
                person.meta,
            )
        )
    store.insert("users", rows)
    store.never_reuse("users", people[-1].id if people else 0)
    for campaign_id, views in reach.items():
        store.run("update campaigns set reach = ? where id = ?", 3 * views, campaign_id)


def _write_rewards(store: Store, events: _SeededEvents, rng: Random, people: list[_Person]) -> None:
    """Units by the referral that earned them; a part of each recipient's units was issued, some are in process."""
    rewards_of: dict[tuple[int, str], list[tuple[Any, ...]]] = {}
    details: dict[int, tuple[Any, ...]] = {}
    for reward in store.all(
        "select id, campaign_id, name, reward_for, type, value_mills, when_referral from rewards order by id"
    ):
        rewards_of.setdefault((reward[1], reward[6]), []).append(reward)
        details[reward[0]] = reward
    earned: dict[tuple[int, int], list[tuple[int, _Person]]] = {}
    recipients = {person.id: person for person in people}
    for person in people:
        if person.referrer is None or person.is_deleted:
            continue
        for when, at_s in (("invited", person.joined_s), ("converted", person.qualified_s)):
            for reward in rewards_of.get((person.campaign_id, when), ()) if at_s is not None else ():
                recipient = person.referrer if reward[3] == REFERRING else person
                if not recipient.is_deleted and at_s is not None:
                    earned.setdefault((reward[0], recipient.id), []).append((at_s, person))
    units: list[tuple[Any, ...]] = []
    dues: list[tuple[Any, ...]] = []
    issued: list[tuple[Any, ...]] = []
    for (reward_id, recipient_id), units_earned in sorted(earned.items()):
        units_earned.sort(key=lambda unit: (unit[0], unit[1].id))
        _, campaign_id, name, reward_for, kind, mills, when = details[reward_id]
        recipient = recipients[recipient_id]
        paid = int(rng.random() * (len(units_earned) + 1)) if rng.random() < 0.6 else 0
        ids = {"reward": reward_id, "recipient": recipient_id}
        due_id = len(dues) + len(issued) + 1  # unique, also for dues that are issued completely
        for at, (at_s, friend) in enumerate(units_earned):
            units.append((reward_id, recipient_id, friend.id, "issued" if at < paid else "due"))
            events.log(at_s, "accrued", friend.id, campaign_id, count=1, mills=mills, due=due_id, **ids)
        if paid:
            issued_id = len(issued) + 1
            last_s = units_earned[paid - 1][0]
            at_s = min(last_s + int(rng.random() * 20 * _DAY_S) + 1, _PERIOD_S - 1)
            is_in_process = rng.random() < 0.15
            person_columns = (recipient_id, recipient.first_name, recipient.email)
            status = (paid, IN_PROCESS, None) if is_in_process else (paid, ISSUED, _stamp_at(at_s))
            issued.append((issued_id, reward_id, name, reward_for, kind, when, mills, *person_columns, *status))
            kind_of_event = "in_process" if is_in_process else "issued"
            ids |= {"issued": issued_id}
            events.log(at_s, kind_of_event, None, campaign_id, count=paid, mills=paid * mills, due=due_id, **ids)
        if paid < len(units_earned):
            dues.append((due_id, reward_id, recipient_id, len(units_earned) - paid))
    store.insert("units", units)
    store.insert("dues", dues)
    store.insert("issued", issued)
    store.never_reuse("dues", len(earned) * 2)


def _write_coupons(store: Store, events: _SeededEvents, rng: Random, people: list[_Person]) -> None:
    """A third of a campaign's referrals have a coupon; most of the qualified ones have used it."""
    free: dict[int, list[int]] = {}
    for coupon_id, campaign_id in store.all(
        "select k.id, b.campaign_id from coupons k join batches b on b.id = k.batch_id order by k.id desc"
    ):
        free.setdefault(campaign_id, []).append(coupon_id)
    changes = []
    for person in people:
        stock = free.get(person.campaign_id)
        if not stock or person.is_deleted or person.referrer is None or rng.random() > 0.33:
            continue
        coupon_id = stock.pop()
        used_s = person.qualified_s if rng.random() < 0.8 else None
        events.log(person.joined_s, "coupon_issued", person.id, person.campaign_id, coupon=coupon_id)
        if used_s is not None:
            events.log(used_s, "coupon_used", person.id, person.campaign_id, coupon=coupon_id)
        changes.append((person.id, _stamp_at(person.joined_s)[:10], used_s and _stamp_at(used_s)[:10], coupon_id))
    for change in changes:
        store.run("update coupons set referral_id = ?, issued_at = ?, used_at = ? where id = ?", *change)
