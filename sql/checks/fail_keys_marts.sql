-- rule: each row of these marts has every part of its key, and no key is repeated
-- reads: marts.campaign_performance, marts.referral_funnel, marts.referral_funnel_daily, marts.referral_cohorts,
--   marts.fraud_signals, marts.reward_liability, marts.reward_liability_daily, marts.coupon_usage, marts.period_changes,
--   marts.unused_rewards, marts.unused_rewards_daily, marts.unused_rewards_backtest
-- Compares the rows with the grain in the header of each file. The keys of large tables are compared directly.

with keys as (
    select
        'marts.campaign_performance' as table_name,
        campaign_id is null as has_null,
        concat_ws(' / ', campaign_id) as key_values
    from marts.campaign_performance
    union all
    select
        'marts.referral_funnel' as table_name,
        campaign_id is null or stage is null or stage_order is null as has_null,
        concat_ws(' / ', campaign_id, stage) as key_values
    from marts.referral_funnel
    union all
    select
        'marts.fraud_signals' as table_name,
        user_id is null or rule is null as has_null,
        concat_ws(' / ', user_id, rule) as key_values
    from marts.fraud_signals
    union all
    select
        'marts.coupon_usage' as table_name,
        campaign_id is null or batch_id is null or month_on is null as has_null,
        concat_ws(' / ', campaign_id, batch_id, month_on) as key_values
    from marts.coupon_usage
    union all
    select
        'marts.period_changes' as table_name,
        campaign_id is null or day_on is null or measure is null or reason is null as has_null,
        concat_ws(' / ', campaign_id, day_on, measure, reason) as key_values
    from marts.period_changes
    union all
    select
        'marts.unused_rewards' as table_name,
        campaign_id is null or unit is null as has_null,
        concat_ws(' / ', campaign_id, unit) as key_values
    from marts.unused_rewards
    union all
    select
        'marts.unused_rewards_backtest' as table_name,
        campaign_id is null or unit is null as has_null,
        concat_ws(' / ', campaign_id, unit) as key_values
    from marts.unused_rewards_backtest
),

few_rows as (
    select
        table_name,
        key_values,
        count(*) as rows_count
    from keys
    group by table_name, key_values
    having count(*) > 1 or bool_or(has_null)
),

many_rows as (
    select
        'marts.referral_funnel_daily' as table_name,
        concat_ws(' / ', campaign_id, source, day_on) as key_values,
        count(*) as rows_count
    from marts.referral_funnel_daily
    group by campaign_id, source, day_on
    having count(*) > 1 or campaign_id is null or source is null or day_on is null
    union all
    select
        'marts.referral_cohorts' as table_name,
        concat_ws(' / ', campaign_id, joined_month_on, months_since) as key_values,
        count(*) as rows_count
    from marts.referral_cohorts
    group by campaign_id, joined_month_on, months_since
    having count(*) > 1 or campaign_id is null or joined_month_on is null or months_since is null
    union all
    select
        'marts.reward_liability' as table_name,
        concat_ws(' / ', reward_id, recipient_id, reward_type) as key_values,
        count(*) as rows_count
    from marts.reward_liability
    group by reward_id, recipient_id, reward_type
    having count(*) > 1 or reward_id is null or recipient_id is null or reward_type is null
    union all
    select
        'marts.reward_liability_daily' as table_name,
        concat_ws(' / ', campaign_id, reward_type, unit, day_on) as key_values,
        count(*) as rows_count
    from marts.reward_liability_daily
    group by campaign_id, reward_type, unit, day_on
    having count(*) > 1 or campaign_id is null or reward_type is null or unit is null or day_on is null
    union all
    select
        'marts.unused_rewards_daily' as table_name,
        concat_ws(' / ', campaign_id, unit, day_on) as key_values,
        count(*) as rows_count
    from marts.unused_rewards_daily
    group by campaign_id, unit, day_on
    having count(*) > 1 or campaign_id is null or unit is null or day_on is null
),

final as (
    select * from few_rows
    union all
    select * from many_rows
)

select * from final
