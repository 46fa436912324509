"""Sound rows of an account, and the damage that each check is to find in them."""

from __future__ import annotations

from typing import Any

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
    "fail_unused_rewards_add_up": "insert into marts.unused_rewards by name select 5 as campaign_id, 'EUR' as unit, "
    "1 as issued_count, 1 as unused_count, 1 as issued_value, 1 as unused_value",
    "fail_costs_are_not_the_ledger": "update marts.campaign_costs set accrued_value = 0.01",
    "fail_percent_is_no_money": "insert into marts.contingent_liability by name "
    "select 5 as campaign_id, 'percent' as unit",
    "warn_waiting_changes": "update scratch.intermediate.int_reward_changes set sync_no = null",
}
DAMAGED_SOURCE: dict[str, tuple[dict[str, list[dict[str, Any]]], str]] = {
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
