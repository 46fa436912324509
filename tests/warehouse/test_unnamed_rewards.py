"""Rows of the reward lists that name no reward: random lists; each row's id proves its reclassifications."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.warehouse.build import prepare_draft_dir, run_models
from referral_warehouse.warehouse.checks import run_checks
from referral_warehouse.warehouse.connection import connect_draft, substitute_missing_tables
from referral_warehouse.warehouse.models import load_checks
from referral_warehouse.warehouse.reward_units import declare_terms, declare_units
from tests.sampling import sampled
from tests.sql.test_cases import MODELS, needed_for
from tests.warehouse.planting import plant

SYNCS = [dt.datetime.fromisoformat(f"2026-01-0{day}T08:00:00") for day in range(1, 6)]
TYPES = ("Cash", "Voucher", "Points")
NAMED, NAMED_TYPE, NAMED_CAMPAIGN = 1, "Gift", 9
CHECKS = ("fail_reclassifications_add_up", "fail_ledger_identity", "fail_ledger_gaps", "fail_ledger_is_not_the_list")
Place = tuple[int, int, int, str, int]
"""(recipient_id, campaign_id, reward_id or 0, reward_type, sync_no)"""
UserCampaigns = list[dict[int, int]]
"""The campaign of each recipient at each sync."""


@dataclass(frozen=True)
class Row:
    """A row of a list as one sync sees it; ``issued_at`` is None in the list of rewards due."""

    recipient_id: int
    reward_id: int | None
    reward_type: str
    count: int
    price: Decimal
    issued_at: dt.datetime | None = None

    @property
    def value(self) -> Decimal:
        return self.count * self.price

    def place(self, user_campaigns: dict[int, int], sync_no: int) -> Place:
        campaign_id = NAMED_CAMPAIGN if self.reward_id else user_campaigns[self.recipient_id]
        return self.recipient_id, campaign_id, self.reward_id or 0, self.reward_type, sync_no


def changed(draw: random.Random, row: Row, is_issued: bool, moment: dt.datetime) -> Row | None:
    """What a row is at the next sync: often as it was, else in another place, smaller, larger, issued or gone."""
    what = draw.choice(["", "", "rename", "rename", "name", "count", "rename and count", "gone"])
    if row.issued_at is not None:
        return replace(row, reward_type=draw.choice(TYPES)) if row.reward_id is None and what == "rename" else row
    if what == "gone":
        return None
    if "rename" in what and row.reward_id is None:
        row = replace(row, reward_type=draw.choice(TYPES))
    if what == "name" and row.reward_id is None:
        row = replace(row, reward_id=NAMED, reward_type=NAMED_TYPE)
    elif what == "name":
        row = replace(row, reward_id=None, reward_type=draw.choice(TYPES))
    if "count" in what:
        row = replace(row, count=draw.randint(1, 5))
    if is_issued and draw.random() < 0.2:
        row = replace(row, issued_at=moment - dt.timedelta(hours=1))
    return row


def random_lists(draw: random.Random) -> dict[str, list[dict[int, Row]]]:
    """List → the rows by id that each sync sees; an id that is gone does not come back."""
    lists: dict[str, list[dict[int, Row]]] = {}
    for name in ("rewards_due", "rewards_issued"):
        seen: list[dict[int, Row]] = []
        next_id = 1
        for moment in SYNCS:
            rows: dict[int, Row] = {}
            for key, row in seen[-1].items() if seen else ():
                now = changed(draw, row, name == "rewards_issued", moment)
                if now is not None or (name == "rewards_issued" and row.issued_at is not None):
                    rows[key] = now or row
            for _ in range(draw.randint(0, 4)):
                price = Decimal(draw.randint(1, 4_000)) / 100
                rows[next_id] = Row(draw.randint(1, 3), None, draw.choice(TYPES), draw.randint(1, 4), price)
                next_id += 1
            seen.append(rows)
        lists[name] = seen
    return lists


def random_user_campaigns(draw: random.Random) -> UserCampaigns:
    """Recipients are moved to another campaign now and then."""
    user_campaigns = [dict.fromkeys((1, 2, 3), 5)]
    for _ in SYNCS[1:]:
        user_campaigns.append({
            key: draw.choice((5, 6)) if draw.random() < 0.3 else campaign_id
            for key, campaign_id in user_campaigns[-1].items()
        })  # fmt: skip
    return user_campaigns


def moves_of_people(user_campaigns: UserCampaigns) -> list[dict[str, Any]]:
    """What the loader records of them."""
    return [
        {"stream": "users", "id": key, "what": "changed", "observed_at": moment,
         "before": json.dumps({"campaign_id": before[key]}), "after": json.dumps({"campaign_id": after[key]})}
        for moment, (before, after) in zip(SYNCS[1:], pairwise(user_campaigns), strict=True)
        for key in before if before[key] != after[key]
    ]  # fmt: skip


def raw_rows(name: str, seen: list[dict[int, Row]]) -> list[dict[str, Any]]:
    """The versions of each row, as the loader keeps them."""
    found: list[dict[str, Any]] = []
    for key in sorted({key for rows in seen for key in rows}):
        previous: Row | None = None
        for moment, rows in zip(SYNCS, seen, strict=True):
            row = rows.get(key)
            if row == previous:
                continue
            if previous is not None and (row is not None or name == "rewards_due"):
                found[-1]["seen"][1] = moment
            if row is not None:
                found.append({
                    "id": key, "reward_id": row.reward_id, "recipient_id": row.recipient_id,
                    "reward_type": row.reward_type, "reward_value": row.price, "total_due": row.count,
                    "total_value": row.value, "issued_at": row.issued_at, "seen": [moment, None],
                    "status": "Issued" if row.issued_at else "Due",
                })  # fmt: skip
            previous = row
    return found


def expected(
    lists: dict[str, list[dict[int, Row]]], user_campaigns: UserCampaigns
) -> dict[Place, list[tuple[int, Decimal]]]:
    """Place → what came to it and what left it, row by row; only places of which something came or left."""
    found: dict[Place, list[tuple[int, Decimal]]] = defaultdict(lambda: [(0, Decimal(0)), (0, Decimal(0))])
    for seen in lists.values():
        for number, (before, after) in enumerate(pairwise(seen), start=2):
            for key in before.keys() & after.keys():
                old, new = before[key], after[key]
                origin = old.place(user_campaigns[number - 2], number)
                target = new.place(user_campaigns[number - 1], number)
                if old.issued_at is not None or origin == target:
                    continue
                for side, place in ((0, target), (1, origin)):
                    count, value = found[place][side]
                    found[place][side] = (count + old.count, value + old.value)
    return dict(found)


@pytest.mark.parametrize("seed", sampled(range(60), 1))
def test_rows_that_name_no_reward_are_reclassified_where_their_id_proves_it(seed: int, tmp_path: Path) -> None:
    draw = random.Random(f"unnamed {seed}")
    lists, user_campaigns = random_lists(draw), random_user_campaigns(draw)
    tables = {name: raw_rows(name, seen) for name, seen in lists.items()}
    vanished = [
        {"stream": "rewards_issued", "id": key, "what": "vanished", "observed_at": moment}
        for moment, before, after in zip(SYNCS[1:], lists["rewards_issued"], lists["rewards_issued"][1:], strict=False)
        for key in before.keys() - after.keys()
    ]
    people = [{"id": number, "campaign_id": campaign_id} for number, campaign_id in user_campaigns[-1].items()]
    gifts = [{"id": NAMED, "campaign_id": NAMED_CAMPAIGN, "type": NAMED_TYPE, "seen": [SYNCS[0], None]}]
    given = {**tables, "observations": vanished + moves_of_people(user_campaigns), "users": people, "rewards": gifts}
    settings = plant(tmp_path, given, syncs=SYNCS)
    prepare_draft_dir(settings)
    names = "recipient_id, campaign_id, reward_id, reward_type, sync_no"
    with connect_draft(settings) as connection:
        substitute_missing_tables(connection)
        declare_units(connection, ())
        declare_terms(connection, settings)
        models = [*needed_for(MODELS["reward_ledger"]), *needed_for(MODELS["reward_liability"])]
        wanted = {model.qualified_name for model in models}
        run_models(connection, [model for model in MODELS.values() if model.qualified_name in wanted])
        rows = connection.execute(
            f"select {names}, reclassified_in_count, reclassified_in_value, reclassified_out_count, "
            "reclassified_out_value from marts.reward_ledger "
            "where reclassified_in_count <> 0 or reclassified_out_count <> 0"
        ).fetchall()
        checks = [check for check in load_checks() if check.name in CHECKS]
        violations = {result.check: result.violations_count for result in run_checks(connection, checks)}
    moves = expected(lists, user_campaigns)
    assert moves
    assert {row[:5]: [row[5:7], row[7:9]] for row in rows} == moves
    assert violations == dict.fromkeys(CHECKS, 0)
