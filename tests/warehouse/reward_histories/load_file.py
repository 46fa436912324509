"""The load file that syncs of a made-up account would have left: versions of rows, and what was observed.

Knows what the loader keeps, and nothing of models.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from referral_warehouse.settings import Settings
from tests.warehouse.planting import plant
from tests.warehouse.reward_histories.events import CAMPAIGNS, HISTORIES, History, Lists, Row

STATUSES = {"due": "Due", "in process": "Invoice Due", "issued": "Issued", "cancelled": "Cancelled"}
ALL_CAMPAIGNS = range(1, CAMPAIGNS * HISTORIES + 1)
BATCHES = [campaign_id for campaign_id in ALL_CAMPAIGNS if campaign_id % CAMPAIGNS]
"""Batches have the ids of their campaigns; the batch of the last campaign of each history names none."""
Table = list[dict[str, Any]]


def plant_history(history: History, folder: Path) -> Settings:
    """Write the load file; returns settings with its directory."""
    moments = [sync.at for sync in history.syncs]
    seen, last = list(zip(moments, history.seen, strict=True)), history.seen[-1]
    tables: dict[str, Table] = {
        "rewards": list(versions(seen, lambda lists: lists.rewards, lambda row: row, True)),
        "rewards_due": list(versions(seen, lambda lists: rows_of(lists, "due"), as_listed, True)),
        "rewards_issued": list(versions(seen, lambda lists: rows_of(lists, "issued"), as_listed, False)),
        "users": [{"id": key, "source": "Direct", **person} for key, person in last.people.items()],
        "coupons": [
            {"id": key, "name": f"GIFT {key}", "referral_id": coupon["user_id"], "batch_id": coupon["batch_id"],
             "issued_at": coupon["issued_at"], "used_at": coupon["used_at"]}
            for key, coupon in known_coupons(history.seen).items()
        ],
        "coupon_batches": [{"id": batch, "name": f"Batch {batch}", "campaign_id": batch} for batch in BATCHES],
        "campaigns": [
            {"id": number, "name": f"Campaign {number}", "seen": [moments[0], None]} for number in ALL_CAMPAIGNS
        ],
        "observations": list(observations(seen)),
        "unit_settings": settings_rows([sync.units for sync in history.syncs], "settings_no", "units"),
        "term_settings": settings_rows([sync.terms for sync in history.syncs], "terms_no", "terms"),
    }  # fmt: skip
    return plant(folder, tables, syncs=moments)


def known_coupons(seen: list[Lists]) -> dict[int, dict[str, Any]]:
    """The last version of each coupon that a sync saw: one that was deleted keeps what it had before."""
    known: dict[int, dict[str, Any]] = {}
    for lists in seen:
        known |= {key: coupon for key, coupon in lists.coupons.items() if not coupon["is_gone"]}
    return known


def rows_of(lists: Lists, list_name: str) -> dict[int, Row]:
    return {key[1]: row for key, row in lists.rows.items() if key[0] == list_name}


def as_listed(row: Row) -> dict[str, Any]:
    return {
        "reward_id": row.reward_id, "recipient_id": row.recipient_id, "reward_type": row.own_type,
        "reward_value": row.price, "total_due": row.count, "total_value": row.value, "issued_at": row.issued_at,
        "status": STATUSES[row.state],
    }  # fmt: skip


def versions(
    seen: list[tuple[Any, Lists]],
    of: Callable[[Lists], dict[int, Any]],
    listed: Callable[[Any], dict[str, Any]],
    ends: bool,
) -> Iterator[dict[str, Any]]:
    """The versions of each record; ``ends`` where a record that is missing ends its last one."""
    for key in sorted({key for _, lists in seen for key in of(lists)}):
        current: dict[str, Any] | None = None
        for moment, lists in seen:
            record = of(lists).get(key)
            if record is None:
                if current is not None and ends:
                    current["seen"][1] = moment
                    yield current
                    current = None
                continue
            values = {"id": key, **listed(record)}
            if current is not None and values == {name: value for name, value in current.items() if name != "seen"}:
                continue
            if current is not None:
                current["seen"][1] = moment
                yield current
            current = {**values, "seen": [moment, None]}
        if current is not None:
            yield current


def observations(seen: list[tuple[Any, Lists]]) -> Iterator[dict[str, Any]]:
    """Issued rows and coupons that are gone, and people whose campaign or referrer changed."""
    known = set(rows_of(seen[0][1], "issued"))
    for (_, before), (moment, after) in pairwise(seen):
        for key in rows_of(before, "issued").keys() - rows_of(after, "issued").keys():
            yield {"stream": "rewards_issued", "id": key, "what": "vanished", "observed_at": moment}
        for key in rows_of(after, "issued").keys() - rows_of(before, "issued").keys():
            if key in known:
                yield {"stream": "rewards_issued", "id": key, "what": "reappeared", "observed_at": moment}
        known |= rows_of(after, "issued").keys()
        for key, coupon in before.coupons.items():
            if after.coupons[key]["is_gone"] and not coupon["is_gone"]:
                yield {"stream": "coupons", "id": key, "what": "vanished", "observed_at": moment}
        for key, person in before.people.items():
            if person != after.people[key]:
                old, new = (json.dumps(values, default=str) for values in (person, after.people[key]))
                yield {
                    "stream": "users",
                    "id": key,
                    "what": "changed",
                    "observed_at": moment,
                    "before": old,
                    "after": new,
                }


def settings_rows(given: list[Any], number: str, name: str) -> Table:
    """The setting of each run that had another one than the run before."""
    rows: Table = []
    for position, values in enumerate(given):
        if position == 0 or values != given[position - 1]:
            rows.append({number: len(rows) + 1, "run_id": f"r{position + 1}", name: json.dumps(values)})
    return rows
