"""The seeded account before its first user: campaigns, their rewards, and the coupons uploaded for them."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random

from referral_warehouse.sandbox.domain.people import SHARE_HOST, code_of, refresh_live
from referral_warehouse.sandbox.domain.rewards import INVITED, REFERRING
from referral_warehouse.sandbox.domain.store import START, Store, stamp
from referral_warehouse.sandbox.simulation import names

HISTORY_DAYS = 180
QUALIFYING_SHARE, QUALIFYING_DAYS = 0.4, 12
"""The share of referrals that ever qualify, and the mean of the days until then (exponential distribution)."""


def seed_campaigns(store: Store, rng: Random, users: int) -> None:
    """Write campaigns, rewards, batches and coupons in proportion to the number of users.

    Campaign 2 is a draft, campaign 3 is paused; starts and ends are before and after the current time.
    """
    campaigns = 8 + min(60, users // 1000)
    seed = store.state("seed", "0")
    rows = []
    for number in range(1, campaigns + 1):
        name = names.CAMPAIGNS[(number - 1) % len(names.CAMPAIGNS)]
        code = code_of(f"{seed}/campaign", number)
        networks = ",".join(sorted(rng.sample(names.NETWORKS, rng.randint(0 if number == 5 else 2, 4))))
        message = {"subject": f"Join me at {name}", "text": f"I like it here – you may too!\n{SHARE_HOST}/{code}"}
        rows.append(
            (
                number,
                name if number <= len(names.CAMPAIGNS) else f"{name} {number}",
                f"{SHARE_HOST}/join/{code}",
                code,
                0,
                0,
                {2: "draft", 3: "paused"}.get(number, "launched"),
                stamp(START + timedelta(days=rng.randint(-HISTORY_DAYS, 20))) if number % 4 == 0 else None,
                stamp(START + timedelta(days=rng.randint(2, 90))) if number % 3 == 0 else None,
                networks if number != 5 else "",
                json.dumps(message, ensure_ascii=False),
            )
        )
    store.insert("campaigns", rows)
    refresh_live(store)
    _seed_rewards(store, rng, campaigns)
    _seed_coupons(store, rng, campaigns, users)


def _seed_rewards(store: Store, rng: Random, campaigns: int) -> None:
    rows: list[tuple[object, ...]] = []

    def add_reward(campaign_id: int, reward_for: str, when: str) -> None:
        kind = names.REWARD_TYPES[len(rows) % len(names.REWARD_TYPES)]
        price = names.PRICES_MILLS[(len(rows) * 2 + rng.randint(0, 1)) % len(names.PRICES_MILLS)]
        label = f"{kind} for {'you' if reward_for == REFERRING else 'your friend'}"
        rows.append((len(rows) + 1, campaign_id, label, reward_for, kind, price, when))

    for campaign_id in range(1, campaigns + 1):
        add_reward(campaign_id, REFERRING, "converted")
        if campaign_id % 2 == 1:
            add_reward(campaign_id, INVITED, "converted")
        if campaign_id % 4 == 0:
            add_reward(campaign_id, INVITED, "invited")
        if campaign_id % 5 == 0:
            add_reward(campaign_id, REFERRING, "invited")
    store.insert("rewards", rows)


def _seed_coupons(store: Store, rng: Random, campaigns: int, users: int) -> None:
    batches: list[tuple[object, ...]] = []
    coupons: list[tuple[object, ...]] = []
    for campaign_id in range(1, campaigns + 1):
        if campaign_id % 3 == 2:
            continue  # a third of the campaigns have no coupons
        batch_id = len(batches) + 1
        day = START - timedelta(days=HISTORY_DAYS + rng.randint(0, 60))
        batches.append(
            (batch_id, f"Batch {batch_id} / {names.CAMPAIGNS[campaign_id % 10]}", campaign_id, f"{day:%Y-%m-%d}")
        )
        size = 20 + users // 4 // (campaign_id + 1)
        coupons += [
            (len(coupons) + 1 + at, names.coupon_name(rng, batch_id, at), None, batch_id, None, None)
            for at in range(size)
        ]
    store.insert("batches", batches)
    store.insert("coupons", coupons)
