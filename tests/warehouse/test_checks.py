"""Every check is seen to find nothing on sound data and to fail on planted damage; fail_ forbids a publication."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from planting import plant

from referral_warehouse.errors import ChecksFailed, DataRefused
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.checks import describe_row, record_results, refuse_failures, run_checks
from referral_warehouse.warehouse.connection import connect_draft
from referral_warehouse.warehouse.models import load_checks, parse_model
from referral_warehouse.warehouse.publish import publish

FIRST, SECOND = "2026-01-01 08:00:00", "2026-01-02 08:00:00"
SOUND = {
    "campaigns": [{"id": 5, "name": "Spring", "reach": 9, "seen": [FIRST, None]}],
    "users": [
        {"id": 1, "campaign_id": 5, "email": "ada@example.com", "referrals_count": 1, "converted_referrals_count": 1},
        {"id": 2, "campaign_id": 5, "referrer_id": 1, "qualified": True, "referrals_count": 0, "source": "Referred",
         "date": "2025-12-30 08:00:00", "qualified_at": FIRST},
    ],
    "rewards": [
        {"id": 1, "campaign_id": 5, "type": "Cash", "value": 50, "reward_for": "Person Invited (Referred User)",
         "when_referral": "converted", "seen": [FIRST, None]}
    ],
    "rewards_due": [
        {"id": 1, "reward_id": 1, "recipient_id": 1, "reward_type": "Cash", "reward_value": 50, "total_due": 1,
         "total_value": 50, "seen": [FIRST, None]}
    ],
    "rewards_issued": [
        {"id": 1, "reward_id": 1, "recipient_id": 2, "reward_type": "Cash", "reward_value": 50, "total_due": 1,
         "total_value": 50, "seen": [FIRST, None]}
    ],
    "coupons": [{"id": 1, "name": "SAVE10", "referral_id": 1, "issued_at": FIRST}],
}  # fmt: skip

LEDGER, DAILY = "update marts.reward_ledger set ", "update marts.reward_liability_daily set "
CLOSED_DAY = (
    "insert into marts.period_changes by name select 5 as campaign_id, date '2025-12-30' as day_on, "
    "'new_users_count' as measure, 'seen late' as reason, timestamp '2026-01-01 08:00:00' as closed_at, "
    "timestamp '2026-01-02 08:00:00' as changed_at, "
)
CHANCE = "insert into marts.contingent_liability by name select 5 as campaign_id, 'EUR' as unit, 9 as basis_count, "

DAMAGE = {
    "fail_keys_core": "insert into core.users by name select 1 as user_id",
    "fail_keys_marts": "update marts.reward_liability set recipient_id = null where recipient_id = 1",
    "fail_keys_people": "update marts.referral_tree set user_id = 1 where user_id = 2",
    "fail_tree_is_not_the_referrals": "update marts.referral_tree set downstream_count = 2 where user_id = 1",
    "fail_cohorts_are_not_core": "update marts.referral_cohorts set qualified_count = 0 where months_since = 0",
    "fail_daily_is_not_core": "update marts.referral_funnel_daily set coupons_used_count = coupons_used_count + 1",
    "fail_daily_has_gaps": "delete from marts.referral_funnel_daily where day_on = date '2026-01-02'",
    "fail_keys_reward_marts": "insert into marts.reward_ledger from marts.reward_ledger",
    "fail_ledger_identity": LEDGER + "in_process_issued_value = 0.01 where recipient_id = 2",
    "fail_ledger_gaps": LEDGER + "until_sync_at = sync_at where recipient_id = 2",
    "fail_ledger_is_not_the_list": LEDGER + "due_closing_value = 49.99 where recipient_id = 1",
    "fail_daily_is_not_the_ledger": DAILY + "opening_value = 99.99 where day_on = date '2026-01-01'",
    "fail_estimate_among_exact": DAILY + "is_estimated = true where day_on = date '2026-01-02'",
    "fail_chance_out_of_bounds": CHANCE + "1.01 as chance_to_qualify, 1 as expected_value, 1 as expected_28d_value, "
    "1 as low_value, 1 as high_value, 2 as most_value",
    "fail_roll_forward_identity": DAILY + "accrued_value = accrued_value + 0.01",
    "fail_roll_forward_gaps": "delete from marts.reward_liability_daily where day_on = date '2026-01-02'; "
    "update marts.reward_liability_daily set day_on = day_on + 1 where day_on = date '2026-01-03'",
    "fail_closing_is_not_the_list": "update core.rewards_due set due_value = 49.99",
    "fail_liability_is_not_the_list": "delete from marts.reward_liability where recipient_id = 2",
    "fail_funnel_grows": "update marts.referral_funnel set stage_count = 3 where stage = 'referrals'",
    "fail_period_changes_add_up": CLOSED_DAY + "1 as first_published_count, 1 as change_count, 1 as current_count",
    "fail_rates_out_of_bounds": "update marts.campaign_performance set rewarded_referrals_count = qualified_count + 1",
    "fail_funnel_loses_people": "update marts.referral_funnel set stage_count = 1 where stage = 'users'",
    "warn_orphans": "delete from core.campaigns",
    "warn_referral_counters": "update core.users set referrals_count = 7 where user_id = 1",
    "warn_quarantine": "insert into ops.quarantine by name "
    "select 'users' as stream, '3' as record_id, 'bad' as reason, true as is_open",
    "fail_quarantine_share": "insert into ops.quarantine by name "
    "select 'users' as stream, unnest(['3', '4']) as record_id, 'bad' as reason, true as is_open",
    "warn_coupons_without_date": "update core.coupons set issued_at = null",
    "warn_dates_out_of_range": "update core.users set qualified_at = timestamp '2030-01-01' where user_id = 2",
    "fail_reclassifications_add_up": LEDGER + "reclassified_in_value = 0.01 where recipient_id = 1",
    "warn_issue_taken_back": LEDGER + "issued_count = -1",
    "warn_unit_setting_unknown": "insert into scratch.raw.units values ('EUR', 'currency', 'Euro', true, 2); "
    "insert into scratch.raw.reward_units values (1, 'Csh', null, null, 'Csh', 'EUR')",
    "fail_costs_are_not_the_ledger": "update marts.campaign_costs set accrued_value = 0.01",
    "fail_percent_is_no_money": "insert into marts.contingent_liability by name "
    "select 5 as campaign_id, 'percent' as unit",
    "warn_waiting_changes": "update scratch.intermediate.int_reward_changes set sync_no = null",
}
DAMAGED_SOURCE = {
    "warn_total_value": (
        {"rewards_due": [{"id": 1, "reward_value": 50, "total_due": 2, "total_value": 99, "seen": [FIRST, None]}]},
        "stream=rewards_due, row_id=1, given_count=2, given_value=99.00, reward_value=50.00",
    ),
    "warn_promise_not_understood": (
        {"rewards": [{"id": 7, "campaign_id": 5, "type": "Cash", "reward_for": "whoever", "when_referral": "converted",
                      "seen": [FIRST, None]}]},
        "reward_id=7, campaign_id=5, reward_type=Cash",
    ),
    "warn_value_too_large": (
        {"rewards_due": [{"id": 1, "reward_id": 1, "recipient_id": 2, "total_due": 2**63 - 1, "reward_value": 10**10,
                          "seen": [FIRST, None]}]},
        "stream=rewards_due, record_id=1, reward_id=1, recipient_id=2, total_count=9223372036854775807, "
        "reward_value=10000000000.00",
    ),
    "fail_value_is_not_the_list": (
        {"rewards_due": [{"id": 1, "reward_id": 1, "recipient_id": 1, "total_due": 1, "total_value": 50,
                          "seen": [FIRST, None]}],
         "list_totals": [
            {"run_id": "r3", "stream": "rewards_issued", "rows": 0, "rewards": "0", "value": "0"},
            {"run_id": "r3", "stream": "rewards_due", "rows": 1, "rewards": "1", "value": "50.01"},
         ]},
        "stream=rewards_due, rows_count=1, listed_rows_count=1, rewards_count=1, listed_rewards_count=1, "
        "owed_value=50.00, listed_value=50.01",
    ),
    "warn_price_unknown": (
        {"rewards_due": [
            {"id": 1, "reward_id": 1, "recipient_id": 2, "total_due": 2, "seen": [FIRST, None]},
            {"id": 2, "reward_id": 1, "recipient_id": 2, "total_due": 3, "total_value": 0, "seen": [FIRST, None]},
            {"id": 3, "reward_id": 1, "recipient_id": 2, "total_due": 3, "reward_value": 0, "seen": [FIRST, None]},
         ]},
        "stream=rewards_due, reward_type=unknown, unit=type:unknown, rows_count=1, rewards_count=2",
    ),
    "warn_status_not_understood": (
        {"rewards_issued": [
            {"id": 1, "reward_id": 1, "recipient_id": 2, "status": " On Hold", "total_due": 2, "total_value": 30,
             "seen": [FIRST, None]},
            {"id": 2, "reward_id": 1, "recipient_id": 3, "status": "on hold ", "total_value": 5,
             "seen": [FIRST, None]},
            {"id": 3, "reward_id": 1, "recipient_id": 3, "status": "INVOICE DUE", "seen": [FIRST, None]},
            {"id": 4, "reward_id": 1, "recipient_id": 3, "status": "Failed", "seen": [FIRST, None]},
        ]},
        "status=on hold, unit=type:unknown, rewards_count=3, rewards_value=35.00",
    ),
    "warn_issued_unlisted": (
        {"rewards_issued": [
            {"id": 4, "reward_id": 1, "recipient_id": 2, "status": "Issued", "total_due": 2, "total_value": 30,
             "issued_at": "2026-01-01 07:07:07", "seen": [FIRST, None]},
            {"id": 5, "reward_id": 1, "recipient_id": 3, "status": "Issued", "total_due": 1, "total_value": 10,
             "issued_at": "2026-01-01 07:07:07", "seen": [FIRST, None]},
         ],
         "rewards_due": [{"id": 9, "reward_id": 1, "recipient_id": 3, "total_due": 1, "total_value": 10,
                          "seen": [SECOND, None]}],
         "observations": [
            {"stream": "rewards_issued", "id": 4, "what": "vanished", "observed_at": SECOND},
            {"stream": "rewards_issued", "id": 5, "what": "vanished", "observed_at": SECOND},
         ]},
        "issued_id=4, reward_id=1, recipient_id=2, issued_count=2, issued_value=30.00, issued_at=2026-01-01 07:07:07, "
        "deleted_at=2026-01-02 08:00:00",
    ),
    "warn_row_age": (
        {"users": [{"id": 1, "_fetched_at": "2025-12-01 08:00:00"}],
         "refresh_rounds": [{"stream": "users", "complete_at": "2025-12-23 08:00:00", "sweep_every_days": 8}]},
        "stream=users, rows_count=1, oldest_seen_at=2025-12-23 08:00:00, oldest_age_days=11.0, max_age_days=8.0",
    ),
    "warn_freshness": (
        {"run_streams": [{"run_id": "old", "stream": "coupon_names", "observed_at": "2025-12-01 08:00:00"}]},
        "stream=coupon_names, observed_at=2025-12-01 08:00:00, as_of_at=2026-01-03 08:00:00",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse directory with an undamaged draft; copied for each test."""
    folder = tmp_path_factory.mktemp("sound")
    build(plant(folder, SOUND, syncs=[FIRST, SECOND, "2026-01-03 08:00:00"]))
    return folder


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, where both balances move at the second sync."""
    folder = tmp_path_factory.mktemp("moving")
    due, issued = SOUND["rewards_due"][0], SOUND["rewards_issued"][0]
    more = {"rewards_due": [{**due, "seen": [FIRST, SECOND]}, {**due, "total_due": 2, "total_value": 100,
                                                               "seen": [SECOND, None]}],
            "rewards_issued": [{**issued, "seen": [FIRST, SECOND]}, {**issued, "total_value": 51,
                                                                     "seen": [SECOND, None]}]}  # fmt: skip
    build(plant(folder, {**SOUND, **more}, syncs=[FIRST, SECOND, "2026-01-03 08:00:00"]))
    return folder


@pytest.fixture
def sound(built: Path, tmp_path: Path) -> Settings:
    shutil.copytree(built, tmp_path / "data")
    return Settings(warehouse_dir=tmp_path / "data")


def counts(settings: Settings, damage: str = "", only: str = "") -> dict[str, int]:
    with connect_draft(settings) as connection:
        for statement in filter(str.strip, damage.split(";")):
            connection.execute(statement)
        checks = [check for check in load_checks() if only in check.name]
        return {r.check: r.violations_count for r in run_checks(connection, checks)}


def test_sound_data_violates_nothing(sound: Settings) -> None:
    assert set(counts(sound).values()) == {0}


def test_every_check_has_a_planted_case() -> None:
    assert {check.name for check in load_checks()} == set(DAMAGE) | set(DAMAGED_SOURCE)


@pytest.mark.parametrize("name", DAMAGE)
def test_check_fails_on_planted_damage(name: str, sound: Settings) -> None:
    assert counts(sound, DAMAGE[name], only=name)[name] > 0


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("fail_ledger_gaps", LEDGER + "due_opening_count = 7 where recipient_id = 1 and not is_opening_balance"),
        ("fail_ledger_gaps", LEDGER + "in_process_opening_value = 1 where recipient_id = 2 and not is_opening_balance"),
        ("fail_ledger_gaps", "delete from marts.reward_ledger where recipient_id = 1 and is_opening_balance"),
        ("fail_ledger_identity", LEDGER + "moved_to_process_count = 3 where not is_opening_balance"),
        ("fail_ledger_identity", LEDGER + "closing_value = null where recipient_id = 1"),
        ("fail_daily_is_not_the_ledger", DAILY + "issued_count = 4 where day_on = date '2026-01-03'"),
        ("fail_daily_is_not_the_ledger", LEDGER + "restated_value = 4"),
        ("fail_ledger_identity", LEDGER + "in_process_reclassified_out_count = 1 where recipient_id = 2"),
        ("fail_daily_is_not_the_ledger", DAILY + "reclassified_out_count = 4 where day_on = date '2026-01-03'"),
        ("fail_roll_forward_identity", DAILY + "reclassified_in_count = 4 where day_on = date '2026-01-03'"),
        ("fail_roll_forward_gaps", DAILY + "opening_value = 4 where day_on = date '2026-01-03'"),
        ("fail_closing_is_not_the_list", DAILY + "closing_count = 4 where day_on = date '2026-01-03'"),
        ("fail_chance_out_of_bounds", CHANCE + "0.5 as chance_to_qualify, 3 as expected_value, "
         "1 as expected_28d_value, 1 as low_value, 2 as high_value, 9 as most_value"),
        ("fail_chance_out_of_bounds", CHANCE + "null as chance_to_qualify"),
    ],
)  # fmt: skip
def test_check_sees_other_damage_too(name: str, damage: str, moving: Path, tmp_path: Path) -> None:
    shutil.copytree(moving, tmp_path / "data")
    settings = Settings(warehouse_dir=tmp_path / "data")
    assert counts(settings, only=name)[name] == 0
    assert counts(settings, damage, only=name)[name] > 0


@pytest.mark.parametrize("name", DAMAGED_SOURCE)
def test_check_fails_on_planted_source(name: str, tmp_path: Path) -> None:
    tables, example = DAMAGED_SOURCE[name]
    settings = plant(tmp_path, tables, syncs=[FIRST, SECOND, "2026-01-03 08:00:00"])
    build(settings)
    with connect_draft(settings) as connection:
        results = {r.check: r for r in run_checks(connection, load_checks())}
    assert results[name].violations_count == 1
    assert results[name].example == example


def test_a_failed_check_forbids_the_publication_and_says_which(tmp_path: Path) -> None:
    good = plant(tmp_path, SOUND, syncs=[FIRST])
    publish(good, build(good))
    before = (good.warehouse_path.readlink(), good.manifest_path.read_bytes())
    with duckdb.connect(str(good.load_path)) as connection:
        connection.execute("insert into raw.users (id, campaign_id, email) values (2, 5, 'grace@example.com')")
    with pytest.raises(ChecksFailed) as caught:
        publish(good, build(good))
    assert "fail_keys_core: 1 row, e.g. table_name=core.users, key_id=2, rows_count=2" in caught.value.message
    assert "example.com" not in str(caught.value), "an example shows ids, never people"
    assert caught.value.exit_code == 5
    assert (good.warehouse_path.readlink(), good.manifest_path.read_bytes()) == before
    assert (tmp_path / "draft" / "warehouse.duckdb").is_file(), "the refused draft is kept for inspection"


def test_warnings_are_reported_and_published(tmp_path: Path) -> None:
    settings = plant(tmp_path, {**SOUND, "campaigns": []}, syncs=[FIRST])
    publication = publish(settings, build(settings, now=datetime(2026, 1, 1, 9, tzinfo=UTC)))
    assert [w.check for w in publication.warnings] == ["warn_orphans"]
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        rows = connection.execute(
            "select check_name, severity, violations_count, example, checked_at from ops.checks "
            "where violations_count > 0"
        ).fetchall()
        total = connection.execute("select count(*) from ops.checks").fetchone()
    assert len(rows) == 1
    assert rows[0][:3] == ("warn_orphans", "warn", 3)
    assert rows[0][3] is not None
    assert rows[0][3].startswith("relation=")
    assert rows[0][4] == datetime(2026, 1, 1, 9, tzinfo=UTC).replace(tzinfo=None)
    assert total == (len(load_checks()),)


def test_an_example_never_shows_free_text() -> None:
    row = (7, "ada@example.com", "Ada", None, "core.users", "abc")
    text = describe_row(("user_id", "email", "first_name", "count", "table_name", "record_id"), row)
    assert text == "user_id=7, count=null, table_name=core.users, record_id=abc"
    assert describe_row(("email",), ("ada@example.com",)) == "(no ids)"


def test_a_check_that_cannot_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fail_broken.sql"
    path.write_text("-- rule: broken\nselect nothing_like_it from core.users\n", encoding="utf-8")
    settings = plant(tmp_path / "wh", SOUND, syncs=[FIRST])
    build(settings)
    with (
        connect_draft(settings) as connection,
        pytest.raises(DataRefused, match="fail_broken could not run") as caught,
    ):
        run_checks(connection, [parse_model(path, "checks")])
    assert "a value in raw.users that sql/checks/fail_broken.sql does not support" in caught.value.message
    assert "--verbose" in caught.value.next_step


def test_results_can_be_recorded_twice(sound: Settings) -> None:
    with connect_draft(sound) as connection:
        results = run_checks(connection, load_checks())
        for _ in range(2):
            record_results(connection, results, datetime(2026, 1, 1, tzinfo=UTC))
        found = connection.execute("select count(*), count(distinct check_name) from ops.checks").fetchone()
    assert found == (len(results), len(results))
    refuse_failures(results)
