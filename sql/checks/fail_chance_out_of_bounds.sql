-- rule: probabilities are between 0 and 1, expected values within their interval, and the interval between 0 and
--   most_value
-- reads: marts.contingent_liability, marts.contingent_backtest, intermediate.int_reward_promises
-- Nulls are allowed only where no user has qualified yet. A negative reward reverses the order of the amounts, so for a
-- campaign with one only the interval is checked.

with liability as (
    select * from marts.contingent_liability
),

backtest as (
    select * from marts.contingent_backtest
),

promises as (
    select * from intermediate.int_reward_promises
),

negative_rewards as (
    select distinct
        campaign_id,
        unit
    from promises
    where reward_value < 0
),

intervals as (
    select
        'marts.contingent_liability' as table_name,
        campaign_id,
        unit,
        basis_count,
        chance_to_qualify,
        expected_value,
        low_value,
        high_value,
        true as is_possible,
        low_value >= 0 and expected_value between expected_28d_value and most_value and high_value <= most_value as is_ordered
    from liability
    union all
    select
        'marts.contingent_backtest' as table_name,
        campaign_id,
        unit,
        basis_count,
        chance_to_qualify,
        predicted_value as expected_value,
        low_value,
        high_value,
        actual_qualified_count <= open_referrals_count as is_possible,
        low_value >= 0 as is_ordered
    from backtest
),

final as (
    select intervals.*
    from intervals
    left join negative_rewards on intervals.campaign_id = negative_rewards.campaign_id and intervals.unit = negative_rewards.unit
    where
        intervals.basis_count > 0
        and not coalesce(
            intervals.chance_to_qualify between 0 and 1
            and intervals.expected_value between intervals.low_value and intervals.high_value
            and intervals.is_possible
            and (intervals.is_ordered or negative_rewards.campaign_id is not null),
            false
        )
)

select * from final
