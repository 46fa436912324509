-- rule: chances lie between 0 and 1, expected values within their interval, and the interval between 0 and everything
-- reads: marts.contingent_liability, marts.contingent_backtest
-- Nulls are allowed where nobody has qualified yet, and only there.

with liability as (
    select * from marts.contingent_liability
),

backtest as (
    select * from marts.contingent_backtest
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
        expected_value between expected_28d_value and most_value and high_value <= most_value as is_possible
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
        actual_qualified_count <= open_referrals_count as is_possible
    from backtest
),

final as (
    select * from intervals
    where
        basis_count > 0
        and not coalesce(
            chance_to_qualify between 0 and 1 and 0 <= low_value and expected_value between low_value and high_value and is_possible,
            false
        )
)

select * from final
