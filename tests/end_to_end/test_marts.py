"""The funnel marts of a large account equal a recomputation in Python from the published core, row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import duckdb
import pytest

from referral_warehouse.load.runner import load
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.forests import Person, traverse

USERS, SEED, DAYS = 2_500, 23, 3
Row = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """A published warehouse and its time."""

    connection: duckdb.DuckDBPyConnection
    as_of: datetime

    def rows(self, sql: str) -> list[Row]:
        answer = self.connection.execute(sql)
        names = [column[0] for column in answer.description or []]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    @property
    def users(self) -> list[Row]:
        return [row | {"campaign_id": row["campaign_id"] or 0} for row in self.rows("from core.users")]

    @property
    def people(self) -> list[Row]:
        return [row for row in self.users if row["deleted_at"] is None]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("published")
    with Sandbox(users=USERS, seed=SEED, calls_per_minute=0) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "machine"))
        settings = Settings(
            api_token=Token(sandbox.token), base_url=sandbox.base_url, calls_per_minute=0, simulated_time=True,
            warehouse_dir=folder / "data",
        )  # fmt: skip
        for day in range(DAYS):
            if day:
                sandbox.advance(days=1)
            load(settings)
        publication = publish(settings, build(settings))
    synced_at = datetime.fromisoformat(publication.manifest["synced_at"]).replace(tzinfo=None)
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        yield Published(connection, synced_at)


def days_between(user: Row) -> float:
    # DuckDB's date_diff counts boundaries of whole seconds, so parts of seconds are cut first.
    return float(
        (user["qualified_at"].replace(microsecond=0) - user["joined_at"].replace(microsecond=0)) / timedelta(days=1)
    )


def ninetieth(values: list[float]) -> float:
    """The 90th percentile, between its neighbours."""
    place = 0.9 * (len(values) - 1)
    low = sorted(values)[int(place)]
    return low + (sorted(values)[min(int(place) + 1, len(values) - 1)] - low) * (place - int(place))


def test_there_are_enough_events_to_compare(published: Published) -> None:
    people = published.people
    assert len(people) > USERS
    assert len(published.users) > len(people), "some were deleted"
    assert sum(bool(u["referrer_id"] and u["is_qualified"]) for u in people) > 500
    assert len({u["campaign_id"] for u in people}) > 3


def test_the_tree_equals_a_naive_traversal(published: Published) -> None:
    persons = {
        u["user_id"]: Person(u["referrer_id"], bool(u["is_qualified"]), u["deleted_at"] is not None)
        for u in published.users
    }
    found = published.rows("from marts.referral_tree")
    names = (
        "root_id", "depth", "referrals_count", "qualified_count", "downstream_count", "qualified_downstream_count",
        "is_orphan", "is_in_cycle", "is_self_referral", "has_cycle_root",
    )  # fmt: skip
    assert {row["user_id"]: tuple(row[name] for name in names) for row in found} == traverse(persons)


def test_campaigns_perform_as_their_people_do(published: Published) -> None:
    people, now = published.people, published.as_of
    there = {u["user_id"] for u in people}
    referrers = {u["referrer_id"] for u in people if u["referrer_id"] in there and u["referrer_id"] != u["user_id"]}
    for row in published.rows("from marts.campaign_performance"):
        own = [u for u in people if u["campaign_id"] == row["campaign_id"]]
        referrals = [u for u in own if u["referrer_id"] is not None]
        qualified = [u for u in referrals if u["is_qualified"]]
        days = [days_between(u) for u in qualified if u["qualified_at"]]
        assert row["users_count"] == len(own)
        assert row["referrers_count"] == sum(u["user_id"] in referrers for u in own)
        assert row["referrals_count"] == len(referrals)
        assert row["qualified_count"] == len(qualified)
        assert row["unsubscribed_count"] == sum(bool(u["is_unsubscribed"]) for u in own)
        uninvited = {u["user_id"] for u in own if u["referrer_id"] is None}
        assert row["uninvited_users_count"] == len(uninvited)
        assert row["uninvited_referrers_count"] == len(uninvited & referrers)
        lived = [(now.replace(microsecond=0) - u["joined_at"].replace(microsecond=0), u) for u in referrals]
        mature = [u for age, u in lived if days and age >= timedelta(days=median(days))]
        assert row["mature_referrals_count"] == (len(mature) if days else None)
        assert row["mature_qualified_count"] == (sum(bool(u["is_qualified"]) for u in mature) if days else None)
        if days:
            assert row["median_days_to_qualify"] == pytest.approx(median(days))
            assert row["p90_days_to_qualify"] == pytest.approx(ninetieth(days))
        for name, rows, field in (
            ("new_users", own, "joined_at"), ("new_referrals", referrals, "joined_at"),
            ("qualified", qualified, "qualified_at"),
        ):  # fmt: skip
            ages = [(now - u[field]) / timedelta(days=1) for u in rows if u[field]]
            for window in (7, 28):
                last, before = sum(a < window for a in ages), sum(window <= a < 2 * window for a in ages)
                assert row[f"{name}_{window}d_count"] == last
                assert row[f"{name}_previous_{window}d_count"] == before
                trend = row[f"{name}_{window}d_trend"]
                assert trend == (pytest.approx(last / before - 1) if before else None)


def test_the_journeys_of_the_funnel_are_those_of_single_people(published: Published) -> None:
    """Each stage as a set of people, which is a part of the set before."""
    people, issued = published.people, published.rows("from core.rewards_issued where issued_at is not null")
    rewarded = {
        role: {row["recipient_id"] for row in issued if role in row["reward_for"]} for role in ("Referring", "Invited")
    }
    everybody = {u["user_id"] for u in people}
    named = {u["referrer_id"] for u in people if u["referrer_id"] != u["user_id"]} & everybody
    successful = named & {u["referrer_id"] for u in people if u["is_qualified"]}
    friends = {u["user_id"] for u in people if u["referrer_id"] is not None}
    qualified = {u["user_id"] for u in people if u["is_qualified"]} & friends
    stages = {
        "users": everybody, "referrers": named, "successful referrers": successful,
        "rewarded referrers": successful & rewarded["Referring"],
        "referrals": friends, "qualified": qualified, "rewarded referrals": qualified & rewarded["Invited"],
    }  # fmt: skip
    assert all(len(members) > 50 for members in stages.values())
    homes = {u["user_id"]: u["campaign_id"] for u in people}
    expected = Counter((homes[user], stage) for stage, members in stages.items() for user in members)
    rows = published.rows("from marts.referral_funnel where journey in ('advocates', 'friends')")
    assert {(r["campaign_id"], r["stage"]): r["stage_count"] for r in rows if r["stage_count"]} == expected


def test_each_day_has_what_happened_on_it(published: Published) -> None:
    events: dict[tuple[int, str, date], Counter[str]] = defaultdict(Counter)
    by_id = {u["user_id"]: u for u in published.users}

    def note(campaign: int | None, user: Row | None, at: datetime | None, what: str) -> None:
        if at is not None:
            source = (user or {}).get("source") or "unknown"
            events[campaign or 0, source, at.date()][what] += 1

    for user in published.users:
        campaign, is_referral = user["campaign_id"], user["referrer_id"] is not None
        note(campaign, user, user["joined_at"], "new_users_count")
        note(campaign, user, user["deleted_at"], "deleted_count")
        if is_referral:
            note(campaign, user, user["joined_at"], "new_referrals_count")
        if is_referral and user["is_qualified"]:
            note(campaign, user, user["qualified_at"], "qualified_count")
        if user["is_unsubscribed"]:
            note(campaign, user, user["unsubscribed_at"], "unsubscribed_count")
    for coupon in published.rows("from core.coupons"):
        holder = by_id.get(coupon["user_id"])
        note(coupon["campaign_id"], holder, coupon["issued_at"], "coupons_issued_count")
        note(coupon["campaign_id"], holder, coupon["used_at"], "coupons_used_count")

    daily = published.rows("from marts.referral_funnel_daily")
    found = {(row["campaign_id"], row["source"], row["day_on"]): row for row in daily}
    assert len(found) == len(daily)
    assert events.keys() <= found.keys()
    for key, row in found.items():
        for name in row:
            if name.endswith("_count") and not name.startswith("rewards_"):
                assert row[name] == events[key][name], (key, name)
    for series in {key[:2] for key in found}:
        days = sorted(key[2] for key in found if key[:2] == series)
        assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
        assert days[-1] == published.as_of.date()


def test_rewards_by_day_are_those_of_the_roll_forward(published: Published) -> None:
    def moved(table: str, prefix: str, what: str, condition: str = "true") -> dict[Any, Any]:
        sums = ", ".join(f"sum({prefix}{name}_{what}) as {name}" for name in ("accrued", "issued", "reversed"))
        rows = published.rows(f"select campaign_id, day_on, {sums} from {table} where {condition} group by all")
        found = {(r["campaign_id"], r["day_on"]): (r["accrued"], r["issued"], r["reversed"]) for r in rows}
        return {key: sums for key, sums in found.items() if any(sums)}

    counts = moved("marts.referral_funnel_daily", "rewards_", "count")
    assert len(counts) > 3
    assert counts == moved("marts.reward_liability_daily", "", "count", "not is_estimated")
    one_unit = "campaign_id in (select campaign_id from marts.referral_funnel_daily where reward_unit is not null)"
    values = moved("marts.referral_funnel_daily", "rewards_", "value", one_unit)
    assert values
    assert values == moved("marts.reward_liability_daily", "", "value", f"{one_unit} and not is_estimated")


def test_cohorts_are_counted_by_each_users_own_months(published: Published) -> None:
    cohorts: dict[tuple[int, date], list[Row]] = defaultdict(list)
    for user in published.people:
        if user["referrer_id"] is not None:
            cohorts[user["campaign_id"], user["joined_at"].date().replace(day=1)].append(user)
    rows = published.rows("from marts.referral_cohorts")
    found = {(r["campaign_id"], r["joined_month_on"], r["months_since"]): r for r in rows}
    expected = set()
    for (campaign, month), members in cohorts.items():
        cells = (published.as_of.year - month.year) * 12 + published.as_of.month - month.month + 1
        days = [days_between(u) for u in members if u["is_qualified"] and u["qualified_at"]]
        for since in range(cells):
            expected.add((campaign, month, since))
            row = found[campaign, month, since]
            in_time = [
                u for u in members
                if u["is_qualified"] and u["qualified_at"]
                and (since == cells - 1 or u["qualified_at"] < later(u["joined_at"], since + 1))
            ]  # fmt: skip
            assert (row["referrals_count"], row["qualified_count"]) == (len(members), len(in_time)), row
            assert row["conversion_rate"] == pytest.approx(len(in_time) / len(members))
            youngest_could_be = later(datetime(month.year, month.month, 1), since + 2)  # noqa: DTZ001 — UTC without a zone
            assert row["is_censored"] == (youngest_could_be > published.as_of)
            assert row["median_days_to_qualify"] == (pytest.approx(median(days)) if days else None)
            assert row["p90_days_to_qualify"] == (pytest.approx(ninetieth(days)) if days else None)
    assert found.keys() == expected


def later(time: datetime, months: int) -> datetime:
    """The same day so many months later, or the last of that month."""
    year, month = divmod(time.year * 12 + time.month - 1 + months, 12)
    first_of_next = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (first_of_next - timedelta(days=1)).day
    return time.replace(year=year, month=month + 1, day=min(time.day, last))


def test_referrers_earn_what_the_lists_say(published: Published) -> None:
    earned: dict[int, list[tuple[str, str, int, Decimal]]] = defaultdict(list)
    for row in published.rows("from core.rewards_due"):
        earned[row["recipient_id"]].append((row["unit"], "owed", row["due_count"], row["due_value"]))
    for row in published.rows("from core.rewards_issued"):
        if row["deleted_at"] is None or not row["is_in_process"]:
            state = "owed" if row["is_in_process"] else "issued"
            earned[row["recipient_id"]].append((row["unit"], state, row["issued_count"], row["issued_value"]))
    rows = published.rows("from marts.referrer_performance")
    tree = {r["user_id"]: r for r in published.rows("from marts.referral_tree where referrals_count > 0")}
    assert {row["user_id"] for row in rows} == tree.keys()
    assert sum(row["earned_value"] is not None for row in rows) > 100
    best: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for row in rows:
        best[row["campaign_id"]].append((row["qualified_count"], row["referrals_count"], row["downstream_count"]))
    for row in rows:
        own = earned[row["user_id"]]
        units = {unit for unit, *_ in own}
        assert row["reward_unit"] == (units.pop() if len(units) == 1 else None)
        for state in ("owed", "issued"):
            assert row[f"{state}_count"] == sum(count for _, s, count, _ in own if s == state)
            value = sum((value for _, s, _, value in own if s == state), Decimal(0))
            assert row[f"{state}_value"] == (value if row["reward_unit"] else None)
        assert row["earned_value"] == (row["owed_value"] + row["issued_value"] if row["reward_unit"] else None)
        score = (row["qualified_count"], row["referrals_count"], row["downstream_count"])
        assert row["campaign_rank"] == 1 + sum(other > score for other in best[row["campaign_id"]])
        for name in ("referrals_count", "qualified_count", "downstream_count", "root_id", "depth"):
            assert row[name] == tree[row["user_id"]][name]
