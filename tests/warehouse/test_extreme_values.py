"""Values at the limits of what the loader accepts: publications go on, and each sum is exact, in tables and feeds."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.load.registry import DOCUMENTED
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import Publication, publish
from tests.sampling import sampled
from tests.warehouse.exact_totals import added, balances, held_at, per_key
from tests.warehouse.extremes import FIRST, SECOND, SYNCS, Tables, every_extreme, ordinary_account, planted, random_rows
from tests.warehouse.planting import plant
from tests.warehouse.same_rows import difference

Rows = list[tuple[Any, ...]]


def published(folder: Path, tables: Tables) -> tuple[Settings, Publication]:
    settings = replace(plant(folder, tables, syncs=SYNCS), feeds_have_personal=True)
    return settings, publish(settings, build(settings))


def ask(settings: Settings, sql: str) -> Rows:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def assert_feeds_equal_tables(settings: Settings, publication: Publication) -> None:
    """Each Parquet file has its table's types and values; a HUGEINT would be a DOUBLE there."""
    kinds = "select column_name, replace(replace(column_type, 'JSON', 'VARCHAR'), ' WITH TIME ZONE', '') from"
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        for name, table in publication.manifest["tables"].items():
            path = settings.warehouse_dir / table["feed"]
            assert (
                connection.execute(f"{kinds} (describe from '{path}')").fetchall()
                == connection.execute(f"{kinds} (describe from {name})").fetchall()
            )
            assert difference(connection, name, f"'{path}'") == (0, table["rows"], table["rows"]), name


def assert_totals(settings: Settings, tables: Tables) -> None:
    """Every mart that adds up rewards, against the rows that were planted."""
    rewards = {row["id"]: row for row in tables["rewards"]}
    due = held_at(tables["rewards_due"], SYNCS[-1])
    issued = held_at(tables["rewards_issued"], SYNCS[-1])
    in_process = [row for row in issued if row.get("issued_at") is None]
    paid = [row for row in issued if row.get("issued_at") is not None]

    liability = ask(
        settings,
        "select reward_id, recipient_id, reward_type, due_count, due_value, in_process_count, in_process_value, "
        "owed_count, owed_value from marts.reward_liability",
    )
    owed_due, owed_in_process = balances(due, rewards), balances(in_process, rewards)
    assert {row[:3] for row in liability} == set(owed_due) | set(owed_in_process)
    for *key, due_count, due_value, process_count, process_value, owed_count, owed_value in liability:
        assert (due_count, due_value) == owed_due.get(tuple(key), (0, 0)), key
        assert (process_count, process_value) == owed_in_process.get(tuple(key), (0, 0)), key
        assert (owed_count, owed_value) == tuple(map(sum, zip(*[  # the same rows once more, as one balance
            owed_due.get(tuple(key), (0, Decimal(0))), owed_in_process.get(tuple(key), (0, Decimal(0)))
        ], strict=True))), key  # fmt: skip

    assert_ledger(settings, tables)

    of_campaign = ask(
        settings,
        "select sum(due_count), sum(in_process_count), sum(issued_count) from marts.campaign_performance",
    )
    assert of_campaign == [(added(due)[0], added(in_process)[0], added(paid)[0])]
    stages: dict[str, Any] = dict(
        ask(settings, "select stage, sum(stage_count) from marts.referral_funnel group by stage")
    )
    assert (stages["rewards due"], stages["in process"], stages["issued"]) == of_campaign[0]
    assert stages["users"] == len(tables["users"])
    assert stages["reach"] == sum(row.get("reach") or 0 for row in tables["campaigns"])

    people = {row["id"] for row in tables["users"]}
    referrers = people & {row["referrer_id"] for row in tables["users"] if row.get("referrer_id") != row["id"]}
    earned_owed = per_key(lambda row: row.get("recipient_id"), [*due, *in_process])
    earned_paid = per_key(lambda row: row.get("recipient_id"), paid)
    performance = ask(settings, "select user_id, owed_count, issued_count from marts.referrer_performance")
    assert {row[0] for row in performance} == referrers
    for user_id, owed_count, issued_count in performance:
        assert owed_count == earned_owed.get(user_id, (0,))[0]
        assert issued_count == earned_paid.get(user_id, (0,))[0]


def assert_ledger(settings: Settings, tables: Tables) -> None:
    """The roll-forward of the ledger and of the days, per sync, as sums over everything."""
    states = []
    for sync in SYNCS:
        issued = held_at(tables["rewards_issued"], sync)
        owed = [*held_at(tables["rewards_due"], sync), *(row for row in issued if row.get("issued_at") is None)]
        states.append((added(owed), added(row for row in issued if row.get("issued_at") is not None)))
    days = ask(
        settings,
        "select day_on, sum(opening_count), sum(opening_value), sum(accrued_count - reversed_count), "
        "sum(accrued_value - reversed_value), sum(issued_count), sum(issued_value), sum(closing_count), "
        "sum(closing_value) from marts.reward_liability_daily where not is_estimated group by day_on order by day_on",
    )
    ledger: dict[int, Any] = dict(
        ask(settings, "select sync_no, sum(issued_count) from marts.reward_ledger group by sync_no")
    )
    found = {str(day[0]): day[1:] for day in days}
    for number, sync in enumerate(SYNCS):
        (owed_count, owed_value), (paid_count, paid_value) = states[number]
        before, paid_before = states[number - 1] if number else states[0]
        if number == 0:
            paid_before = paid_count, paid_value
        gained = (paid_count - paid_before[0], paid_value - paid_before[1])
        net = (owed_count - before[0] + gained[0], owed_value - before[1] + gained[1])
        assert found[sync[:10]] == (*before, *net, *gained, owed_count, owed_value), sync
        assert ledger.get(number + 1, 0) == gained[0]
    assert not ask(settings, "select * from marts.reward_ledger where accrued_value < 0 or reversed_count < 0 limit 1")


@pytest.mark.full
@pytest.mark.parametrize("table", sampled(DOCUMENTED, 2))
def test_every_extreme_of_every_column(table: str, tmp_path: Path) -> None:
    account = ordinary_account()
    account[table] += every_extreme(table)
    tables = planted(account)
    settings, publication = published(tmp_path, tables)
    assert_totals(settings, tables)
    assert_feeds_equal_tables(settings, publication)


@pytest.mark.parametrize("seed", sampled(range(3), 1))
def test_random_extremes_in_all_tables_at_once(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    account = ordinary_account()
    for table in account:
        account[table] += random_rows(table, chance, 30)
    tables = planted(account)
    for table in ("rewards_due", "rewards_issued"):
        for row in list(tables[table]):
            row["seen"] = chance.choice(([FIRST, None], [SECOND, None], [FIRST, SECOND], [SECOND, SYNCS[2]]))
            if table == "rewards_issued":
                row["seen"][1] = None
    settings, publication = published(tmp_path, tables)
    assert_totals(settings, tables)
    assert_feeds_equal_tables(settings, publication)
