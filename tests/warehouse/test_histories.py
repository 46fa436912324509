"""Random reward histories: the roll-forward against an independent recomputation in Python, to the cent."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.conftest import using_models
from tests.sampling import sampled
from tests.warehouse.few_models import FEWEST, copy_few_models
from tests.warehouse.planting import plant

START = datetime.fromisoformat("2026-01-01T06:00:00")
TYPES = ("Cash", "Voucher")
Measure = tuple[int, Decimal]
ZERO: Measure = (0, Decimal(0))


@pytest.fixture(scope="module", autouse=True)
def models_of_rewards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Builds of this module have the ledger, what follows from it, and their checks."""
    with using_models(copy_few_models(tmp_path_factory.mktemp("models"), (*FEWEST, "core.", "marts.reward_l"))):
        yield


@dataclass
class Holding:
    """What one recipient has of one reward: rewards due at a price, and rows of the issued list."""

    reward_id: int
    recipient_id: int
    price: Decimal
    due: int = 0
    issued: dict[int, dict[str, Any]] = field(default_factory=dict)


def step(holding: Holding, chance: random.Random, issued_ids: list[int]) -> None:
    """Something happens, or several things, or nothing."""
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        deed = chance.choice(("accrue", "accrue", "reverse", "issue", "process", "complete", "reprice"))
        if deed == "accrue":
            holding.due += chance.randint(1, 3)
        elif deed == "reverse" and holding.due:
            holding.due -= chance.randint(1, holding.due)
        elif deed in ("issue", "process") and holding.due:
            count = chance.randint(1, holding.due)
            holding.due -= count
            issued_ids.append(len(issued_ids) + 1)
            holding.issued[issued_ids[-1]] = {
                "total_due": count, "total_value": count * holding.price, "is_dated": deed == "issue"
            }  # fmt: skip
        elif deed == "complete":
            for row in holding.issued.values():
                row["is_dated"] = row["is_dated"] or chance.random() < 0.5
        elif deed == "reprice":
            holding.price += Decimal(chance.randint(-300, 500)) / 100


def simulate(seed: int) -> tuple[dict[str, list[dict[str, Any]]], list[datetime], dict[tuple[int, str, date], Any]]:
    """A load file's rows as SCD2 versions, the times of the syncs, and the expected days, recomputed from states."""
    chance = random.Random(seed)
    holdings = [
        Holding(reward, recipient, Decimal(chance.randint(100, 9999)) / 100)
        for reward in range(1, 5) for recipient in range(1, 6)
    ]  # fmt: skip
    issued_ids: list[int] = []
    open_rows: dict[tuple[str, int], dict[str, Any]] = {}
    tables: dict[str, list[dict[str, Any]]] = {"rewards_due": [], "rewards_issued": []}
    syncs: list[datetime] = []
    days: dict[tuple[int, str, date], dict[str, list[Any]]] = {}
    before: dict[tuple[int, int], tuple[Measure, Measure]] = {}
    moment = START
    for number in range(12):
        for holding in holdings:
            step(holding, chance, issued_ids)
        syncs.append(moment)
        record(holdings, moment, open_rows, tables)
        for holding in holdings:
            key = (holding.reward_id, holding.recipient_id)
            owed, paid = measures(holding)
            earlier = before.get(key, (ZERO, ZERO))
            campaign, kind = 1 + holding.reward_id % 2, TYPES[holding.reward_id // 3]
            day = days.setdefault((campaign, kind, moment.date()), defaultdict(lambda: [0, Decimal(0)]))
            for index in (0, 1):
                if number == 0:
                    day["opening"][index] += owed[index]
                else:
                    gained = paid[index] - earlier[1][index]
                    rest = owed[index] - earlier[0][index] + gained
                    day["issued"][index] += gained
                    day["accrued"][index] += max(rest, 0)
                    day["reversed"][index] += max(-rest, 0)
            before[key] = (owed, paid)
        moment += timedelta(hours=chance.choice((3, 9, 24, 70)))
    tables["rewards"] = [
        {"id": n, "campaign_id": 1 + n % 2, "type": TYPES[n // 3], "seen": [START, None]} for n in range(1, 5)
    ]
    return tables, syncs, days


def measures(holding: Holding) -> tuple[Measure, Measure]:
    """(count, value) owed and issued so far."""
    open_rows = [row for row in holding.issued.values() if not row["is_dated"]]
    paid_rows = [row for row in holding.issued.values() if row["is_dated"]]
    owed_value = holding.due * holding.price + sum((row["total_value"] for row in open_rows), Decimal(0))
    owed = (holding.due + sum(row["total_due"] for row in open_rows), owed_value)
    paid_value = sum((row["total_value"] for row in paid_rows), Decimal(0))
    return owed, (sum(row["total_due"] for row in paid_rows), paid_value)


def record(
    holdings: list[Holding],
    moment: datetime,
    open_rows: dict[tuple[str, int], dict[str, Any]],
    tables: dict[str, list[dict[str, Any]]],
) -> None:
    """What a sync writes: versions end where a row changed or left the due list, and begin where it is new."""
    now: dict[tuple[str, int], dict[str, Any]] = {}
    for position, holding in enumerate(holdings, start=1):
        common = {
            "reward_id": holding.reward_id, "recipient_id": holding.recipient_id,
            "reward_type": TYPES[holding.reward_id // 3],
        }  # fmt: skip
        if holding.due:
            amounts = {"total_due": holding.due, "total_value": holding.due * holding.price}
            now["rewards_due", position] = {**common, **amounts, "reward_value": holding.price}
        for issued_id, row in holding.issued.items():
            dated = moment.replace(hour=0) if row["is_dated"] else None
            earlier = open_rows.get(("rewards_issued", issued_id), {})
            now["rewards_issued", issued_id] = {
                **common, "total_due": row["total_due"], "total_value": row["total_value"],
                "issued_at": earlier.get("issued_at") or dated,
            }  # fmt: skip
    for key, row in list(open_rows.items()):
        if {name: value for name, value in row.items() if name not in ("id", "seen")} != now.get(key):
            row["seen"][1] = moment
            del open_rows[key]
    for (table, row_id), row in now.items():
        if (table, row_id) not in open_rows:
            version = {**row, "id": row_id, "seen": [moment, None]}
            open_rows[table, row_id] = version
            tables[table].append(version)


@pytest.mark.parametrize("seed", sampled(range(4), 1))
def test_roll_forward_equals_the_recomputation(seed: int, tmp_path: Path) -> None:
    tables, syncs, days = simulate(seed)
    settings = plant(tmp_path, tables, syncs=syncs)
    publish(settings, build(settings))
    found = rolled(settings)
    keys = {(campaign, kind) for campaign, kind, _ in days}
    assert {key[:2] for key in found} == keys
    for campaign, kind in keys:
        closing: list[Any] = [0, Decimal(0)]
        for offset in range((syncs[-1].date() - START.date()).days + 1):
            day = START.date() + timedelta(days=offset)
            moved = days.get((campaign, kind, day), defaultdict(lambda: [0, Decimal(0)]))
            opening = [closing[i] + moved["opening"][i] for i in (0, 1)]
            closing = [opening[i] + moved["accrued"][i] - moved["issued"][i] - moved["reversed"][i] for i in (0, 1)]
            wanted = (opening, moved["accrued"], moved["issued"], moved["reversed"], closing)
            assert found.pop((campaign, kind, day)) == tuple(tuple(pair) for pair in wanted)
    assert not found, "no day beyond the last sync"


def rolled(settings: Settings) -> dict[tuple[int, str, date], Any]:
    names = ("opening", "accrued", "issued", "reversed", "closing")
    columns = ", ".join(f"{name}_count, {name}_value" for name in names)
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        rows = connection.execute(
            f"select campaign_id, reward_type, day_on, {columns} from marts.reward_liability_daily"
        ).fetchall()
    return {row[:3]: tuple((row[i], row[i + 1]) for i in range(3, 13, 2)) for row in rows}
