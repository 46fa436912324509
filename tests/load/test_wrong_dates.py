"""Date headers of every wrong kind, over a socket: the days are right all the same, and a warning has the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.errors import DataRefused
from referral_warehouse.load.clock.observation_clock import utc_now
from referral_warehouse.load.runner import load
from tests.load.dated_account import DatedAccount, due, user
from tests.sampling import sampled

ALWAYS = {
    "the future": "Wed, 20 Feb 2030 08:00:00 GMT",
    "the last year": "Fri, 31 Dec 9999 23:59:59 GMT",
    "the last year, west": "Fri, 31 Dec 9999 23:59:59 -1200",
    "beyond the last year": "Sat, 01 Jan 10000 00:00:00 GMT",
    "1970": "Thu, 01 Jan 1970 00:00:00 GMT",
    "the first year": "Mon, 01 Jan 0001 00:00:00 GMT",
    "the first year, east": "Mon, 01 Jan 0001 00:00:00 +1400",
    "two digits": "Wednesday, 20-Feb-30 08:00:00 GMT",
    "garbage": "tomorrow, perhaps",
    "not ASCII": "Mi, 25 N\u00f6v 2026 08:00:00 GMT",
    "nothing": "",
    "absent": None,
}


def right_date(_number: int) -> str:
    return format_datetime(datetime.now(UTC), usegmt=True)


def around(middle: str | None) -> Callable[[int], str | None]:
    """The right Date except for the third to fifth response."""
    return lambda number: middle if number in (3, 4, 5) else right_date(number)


def alternating(wrong: str) -> Callable[[int], str]:
    return lambda number: wrong if number % 2 else right_date(number)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[DatedAccount]:
    with DatedAccount(tmp_path) as running:
        running.date = right_date
        yield running


def observed(account: DatedAccount) -> list[datetime]:
    """Every different time of observation that is stored."""
    with duckdb.connect(str(account.settings.load_path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        found = connection.execute(
            "select _fetched_at from raw.users union select _fetched_at from raw.rewards_due "
            "union select timezone('UTC', _dlt_valid_from) from raw.rewards_due "
            "union select timezone('UTC', _dlt_valid_to) from raw.rewards_due where _dlt_valid_to is not null "
            "union select observed_at from raw.runs where status = 'done' union select observed_at from raw.run_streams"
        ).fetchall()
    return sorted(at for (at,) in found)


@pytest.mark.parametrize("wrong", sampled(ALWAYS.values(), 1), ids=ALWAYS)
def test_a_wrong_date_in_every_response(account: DatedAccount, wrong: str | None) -> None:
    begin = utc_now()
    account.date = lambda _number: wrong
    first = load(account.settings)
    account.rows["users"].append(user(3))
    account.rows["rewards/due"] = [due(1, count=3), due(3)]
    second = load(account.settings)
    assert len(first.warnings) == len(second.warnings) == 1
    assert "this machine's clock" in second.warnings[0]
    assert "the server sends" in second.warnings[0]
    account.date = right_date
    account.rows["rewards/due"] = [due(1, count=4)]
    third = load(account.settings)
    assert third.warnings == []
    assert third.recovered == []
    times = observed(account)
    assert begin - timedelta(seconds=1) <= times[0]
    assert times[-1] <= utc_now()


@pytest.mark.parametrize(
    "dates",
    sampled(
        [
            around(ALWAYS["the future"]),
            around(ALWAYS["1970"]),
            around(None),
            alternating("Wed, 20 Feb 2030 08:00:00 GMT"),
        ],
        2,
    ),
)
def test_a_wrong_date_in_some_responses(account: DatedAccount, dates: Callable[[int], str | None]) -> None:
    begin = utc_now()
    account.date = dates
    report = load(account.settings)
    (warning,) = report.warnings
    assert "some responses have" in warning or account.date(1) != right_date(1)
    times = observed(account)
    assert begin - timedelta(seconds=1) <= times[0]
    assert times[-1] <= utc_now()


def test_a_run_without_a_credible_clock_writes_nothing_but_its_log(account: DatedAccount) -> None:
    load(account.settings)
    before = observed(account)
    account.rows["rewards/due"] = [due(1, count=9)]
    for local in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)):
        with pytest.raises(DataRefused, match="The time of this run is not known"):
            load(account.settings, local=lambda local=local: local.replace(tzinfo=None))  # type: ignore[misc]
        assert observed(account) == before
    load(account.settings)
    with duckdb.connect(str(account.settings.load_path), read_only=True) as connection:
        runs = connection.execute("select status from raw.runs order by started_at").fetchall()
        assert [status for (status,) in runs][-1] == "done"
        assert connection.execute("select max(total_due) from raw.rewards_due").fetchall() == [(9,)]


def test_runs_within_one_second_store_their_changes_one_after_the_other(account: DatedAccount) -> None:
    """A Date counts seconds: microseconds show which run stored a version, and that it read before it stored."""
    now = right_date(0)
    account.date = lambda _number: now
    load(account.settings)
    load(account.settings)
    for count in (2, 3):
        account.rows["rewards/due"] = [due(1, count=count)]
        load(account.settings)
    with duckdb.connect(str(account.settings.load_path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        runs = connection.execute(
            "select min(streams.observed_at), any_value(runs.observed_at) from raw.runs as runs "
            "join raw.run_streams as streams using (run_id) group by run_id order by any_value(runs.started_at)"
        ).fetchall()
        versions = connection.execute(
            "select timezone('UTC', _dlt_valid_from) from raw.rewards_due order by _dlt_valid_from"
        ).fetchall()
    stored = [version for (version,) in versions]
    assert {ended.replace(microsecond=0) for _, ended in runs} == {runs[0][0]}, "the Date stands still"
    assert runs[0][0] < stored[0] < runs[1][0] <= runs[1][1] < runs[2][0] < stored[1] < runs[3][0] < stored[2]
