"""Times that an older version stored under a wrong clock: the next run, or fix-clock, sets them to the right ones."""
# ruff: noqa: DTZ001 - times are naive UTC here

from __future__ import annotations

import copy
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.errors import ConfigurationError, DataRefused
from referral_warehouse.load.clock.observation_clock import utc_now
from referral_warehouse.load.clock.repair import repair_without_server
from referral_warehouse.load.runner import load
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.connection import draft_path
from referral_warehouse.warehouse.publish import publish
from tests.load.dated_account import DatedAccount, age, due, save_states, saved_state, user
from tests.sampling import sampled

TICK = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
FUTURE = datetime(2030, 2, 20, 8)
TIMES = """
select max(greatest(_dlt_valid_from, _dlt_valid_to, _fetched_at)) from raw.rewards_due
union all select max(_fetched_at) from raw.users
union all select max(observed_at) from raw.observations
union all select max(greatest(started_at, finished_at, observed_at)) from raw.runs
union all select max(observed_at) from raw.run_streams
union all select max(observed_at) from raw.reconciliation
union all select max(inserted_at) from raw._dlt_loads
union all select max(to_timestamp(cast(load_id as double))) from raw._dlt_loads
"""
MOVEMENTS = """
select sync_no, recipient_id, opening_count, accrued_count, reversed_count, closing_count
from marts.reward_ledger order by sync_no, recipient_id
"""


@pytest.fixture(scope="module")
def loaded_four_times(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, list[str]]:
    """The folder of an account after four runs, its rows then, and the ids of the runs."""
    folder = tmp_path_factory.mktemp("four")
    with DatedAccount(folder) as account:
        account.date = right_date
        return folder, account.rows, four_runs(account)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[DatedAccount]:
    """An account that was never loaded; its server's clock is right."""
    with DatedAccount(tmp_path) as running:
        running.date = right_date
        yield running


@pytest.fixture
def four(account: DatedAccount, loaded_four_times: tuple[Path, Any, list[str]]) -> list[str]:
    """The ids of the four runs of ``account``."""
    folder, rows, run_ids = loaded_four_times
    shutil.copytree(folder / "data", account.settings.warehouse_dir)
    account.rows = copy.deepcopy(rows)
    return run_ids


def right_date(_number: int) -> str:
    return format_datetime(datetime.now(UTC), usegmt=True)


def query(path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql, values).fetchall()


def four_runs(account: DatedAccount) -> list[str]:
    """A first run; one with a new reward, a new user and a deleted one; one with a change; one with an end."""
    reports = [load(account.settings)]
    wait_for_the_next_second()
    account.rows["users"] = [user(1), user(3)]
    account.rows["rewards/due"] = [due(1), due(3)]
    reports.append(load(account.settings))
    wait_for_the_next_second()
    account.rows["users"].append(user(2))
    account.rows["rewards/due"] = [due(1, count=5), due(3)]
    reports.append(load(account.settings))
    wait_for_the_next_second()
    account.rows["rewards/due"] = [due(1, count=5)]
    reports.append(load(account.settings))
    wait_for_the_next_second()
    return [report.run_id for report in reports]


def wait_for_the_next_second() -> None:
    """A Date header has no fractions: runs within one second would be dated alike, whichever of them is damaged."""
    begun = int(time.time())
    while int(time.time()) == begun:
        threading.Event().wait(0.01)


def damage(account: DatedAccount, wrong: datetime, run_ids: list[str], number: int) -> None:
    """As version 0.1.0 left it when run ``number`` met a Date of ``wrong`` and the later ones a right one."""
    first = query(account.settings.load_path, "select max(_dlt_valid_from) from raw.rewards")[0][0].replace(tzinfo=None)
    begin = wrong if number == 0 or wrong > first else first + TICK
    age(account.settings, run_ids[number], wrong, begin)
    if wrong > first:  # each later validity time is the one before and a microsecond
        for later, run_id in enumerate(run_ids[number + 1 :], start=1):
            age(account.settings, run_id, wrong, begin + later * TICK, observed=False)


@pytest.mark.parametrize(
    ("wrong", "number"),
    sampled(product([FUTURE, datetime(9999, 12, 31, 8), datetime(1970, 1, 1), datetime(1, 1, 1)], [0, 1]), 1),
)
@pytest.mark.full
def test_the_next_run_sets_wrong_times_to_when_their_runs_took_place(
    account: DatedAccount, four: list[str], wrong: datetime, number: int
) -> None:
    path = account.settings.load_path
    versions = "select id, total_due, _dlt_valid_to is null from raw.rewards_due order by id, _dlt_valid_from"
    before = query(path, versions)
    damage(account, wrong, four, number)
    found = query(path, TIMES + " union all select min(observed_at) from raw.runs")
    assert any(row[0] is not None and abs(row[0].replace(tzinfo=None) - wrong) < MINUTE for row in found)

    report = load(account.settings)

    now = utc_now()
    assert len(report.recovered) == 1
    assert "wrong clock" in report.recovered[0]
    assert report.times_corrected
    assert all(row[0].replace(tzinfo=None) <= now for row in query(path, TIMES) if row[0] is not None)
    assert query(path, versions) == before
    runs = query(path, "select run_id, started_at, finished_at, observed_at from raw.runs order by rowid")
    assert all(start - MINUTE <= seen <= end + MINUTE for _, start, end, seen in runs)
    damaged = runs[number]
    (written,) = query(
        path, "select count(*) from raw.rewards_due where _dlt_valid_from between ? and ?", *damaged[1:3]
    )
    assert written == (1,)
    assert [seen for *_, seen in runs] == sorted(seen for *_, seen in runs)
    assert query(path, "select min(_dlt_valid_from) < max(_dlt_valid_from) from raw.rewards_due") == [(True,)]
    assert query(path, "select count(*) from raw.rewards_due where _dlt_valid_to <= _dlt_valid_from") == [(0,)]
    seen = query(path, "select what from raw.observations where what <> 'seen late' order by observed_at")
    assert seen == [("vanished",), ("reappeared",)]
    assert load(account.settings).recovered == []


@pytest.mark.usefixtures("few_models")
def test_each_movement_has_the_time_of_the_sync_that_observed_it(account: DatedAccount, four: list[str]) -> None:
    build(account.settings)
    right = query(draft_path(account.settings), MOVEMENTS)
    damage(account, FUTURE, four, 1)
    damaged = build(account.settings)
    assert damaged.as_of is not None
    assert damaged.as_of.year == 2030
    publish(account.settings, damaged)
    load(account.settings)
    publish(account.settings, build(account.settings))
    assert query(account.settings.warehouse_path, MOVEMENTS) == right
    days = (
        "select count(*) filter (where day_on > current_date + 1), count(distinct day_on) <= 2 "
        "from marts.reward_liability_daily"
    )
    assert query(account.settings.warehouse_path, days) == [(0, True)]


def test_cursors_of_the_future_go_back_to_where_the_damage_began(account: DatedAccount, four: list[str]) -> None:
    damage(account, FUTURE, four, 1)
    text = FUTURE.isoformat()
    save_states(
        account.settings,
        users={"cursors": dict.fromkeys(("date", "qualified_at", "unsubscribed_at"), text), "swept_at": text},
        rewards_issued={"cursor": text, "walked_at": text},
    )
    account.rows["users"].append(user(9, date="2026-03-01T00:00:00Z"))
    load(account.settings)
    started = query(account.settings.load_path, "select started_at from raw.runs where run_id = ?", four[1])
    state = saved_state(account.settings, "users")
    assert state["swept_at"] == started[0][0].isoformat()
    assert max(datetime.fromisoformat(text) for text in state["cursors"].values()) <= utc_now()
    issued = saved_state(account.settings, "rewards_issued")
    assert max(datetime.fromisoformat(issued[name]) for name in ("cursor", "walked_at")) <= utc_now()
    assert query(account.settings.load_path, "select count(*) from raw.users where id = 9") == [(1,)]


def test_a_run_logged_under_a_wrong_local_clock_does_not_stay_the_last(account: DatedAccount, four: list[str]) -> None:
    """Also for dlt: it restores the state of the package whose name is the latest, and the newest schema."""
    assert four
    with duckdb.connect(str(account.settings.load_path)) as connection:
        connection.execute(
            "update raw.runs set started_at = started_at + interval 3000 days, "
            "finished_at = finished_at + interval 3000 days"
        )
        for table in ("_dlt_pipeline_state", "users", "rewards_due", "campaigns", "rewards"):
            connection.execute(f"update raw.{table} set _dlt_load_id = cast(_dlt_load_id as double) + 259200000")
        connection.execute(
            "update raw._dlt_loads set load_id = cast(load_id as double) + 259200000, "
            "inserted_at = inserted_at + interval 3000 days"
        )
    report = load(account.settings)
    last = query(account.settings.load_path, "select run_id from raw.runs order by started_at desc limit 1")
    assert last == [(report.run_id,)]
    assert all(row[0].replace(tzinfo=None) <= utc_now() for row in query(account.settings.load_path, TIMES) if row[0])
    packages = "select count(*) from raw.users where _dlt_load_id not in (select load_id from raw._dlt_loads)"
    assert query(account.settings.load_path, packages) == [(0,)]
    assert load(account.settings).recovered == []


@pytest.mark.parametrize(
    "local",
    [pytest.param(datetime(1970, 1, 1), marks=pytest.mark.full), datetime(2035, 1, 1), datetime(2026, 1, 2)],
)
def test_a_wrong_local_clock_changes_no_stored_time(account: DatedAccount, four: list[str], local: datetime) -> None:
    path, everything = account.settings.load_path, f"select list(t order by t) from ({TIMES}) as x(t)"
    runs = "select observed_at from raw.runs where status = 'done' order by rowid"
    before, seen = query(path, "from raw.rewards_due order by all"), query(path, runs)
    assert query(path, everything)
    with pytest.raises(DataRefused, match="clock"):
        load(account.settings, local=lambda: local)
    assert query(path, "from raw.rewards_due order by all") == before
    assert query(path, runs) == seen
    load(account.settings)
    assert query(path, "from raw.rewards_due order by all") == before


def test_fix_clock_does_the_same_without_the_server(account: DatedAccount, four: list[str]) -> None:
    assert repair_without_server(account.settings) is None
    damage(account, FUTURE, four, 1)
    answers = account.answers
    correction = repair_without_server(account.settings)
    assert correction is not None
    assert correction.last >= FUTURE
    assert account.answers == answers
    assert all(row[0].replace(tzinfo=None) <= utc_now() for row in query(account.settings.load_path, TIMES) if row[0])
    replaced = query(account.settings.load_path, "select min(was_at), max(is_at) from raw.clock_corrections")
    assert replaced[0][0] >= FUTURE
    assert replaced[0][1] <= utc_now()
    assert repair_without_server(account.settings) is None


def test_fix_clock_reports_what_it_cannot_correct(account: DatedAccount) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        repair_without_server(account.settings)
    with pytest.raises(ConfigurationError, match="Simulated"):
        repair_without_server(replace(account.settings, simulated_time=True))


def test_fix_clock_refuses_a_clock_that_is_behind_the_history(account: DatedAccount, four: list[str]) -> None:
    assert four
    with pytest.raises(DataRefused, match="the last observation"):
        repair_without_server(account.settings, lambda: datetime(2026, 2, 1))
