-- rule: each day's opening is the closing of the day before, and no day is missing
-- reads: marts.reward_liability_daily
-- A balance must not change between days without a movement. Estimated days are compared among themselves; after them,
-- the exact days begin with the balances that the first sync found.

with daily as (
    select * from marts.reward_liability_daily
),

neighbours as (
    select
        campaign_id,
        reward_type,
        unit,
        is_estimated,
        day_on,
        opening_count,
        opening_value,
        lag(day_on) over days as previous_on,
        lag(closing_count) over days as previous_closing_count,
        lag(closing_value) over days as previous_closing_value
    from daily
    window days as (partition by campaign_id, reward_type, unit, is_estimated order by day_on)
),

final as (
    select * from neighbours
    where
        previous_on is not null
        and (
            day_on <> previous_on + 1
            or opening_count <> previous_closing_count
            or opening_value <> previous_closing_value
        )
)

select * from final
