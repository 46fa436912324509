-- rule: opening + accrued - issued - reversed = closing, for counts and values, per movement and per day
-- reads: marts.reward_liability_daily, intermediate.int_reward_movements
-- To the cent; there is no tolerance.

with daily as (
    select * from marts.reward_liability_daily
),

movements as (
    select * from intermediate.int_reward_movements
),

rolled as (
    select
        'marts.reward_liability_daily' as table_name,
        campaign_id,
        reward_type,
        day_on,
        opening_count + accrued_count - issued_count - reversed_count - closing_count as difference_count,
        opening_value + accrued_value - issued_value - reversed_value - closing_value as difference_value
    from daily
    union all
    select
        'intermediate.int_reward_movements' as table_name,
        campaign_id,
        reward_type,
        sync_on as day_on,
        opening_count + accrued_count - issued_count - reversed_count - closing_count as difference_count,
        opening_value + accrued_value - issued_value - reversed_value - closing_value as difference_value
    from movements
),

final as (
    select * from rolled
    where difference_count <> 0 or difference_value <> 0 or difference_count is null or difference_value is null
)

select * from final
