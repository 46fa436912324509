-- rule: estimated days all lie before the first sync, exact days never do
-- reads: marts.reward_liability_daily, intermediate.int_sync_points
-- Each day is either exact or estimated, so that the liability as of a day needs no second condition.

with daily as (
    select * from marts.reward_liability_daily
),

sync_points as (
    select * from intermediate.int_sync_points
),

first_day as (
    select cast(min(sync_at) as date) as first_on from sync_points
),

final as (
    select
        daily.campaign_id,
        daily.reward_type,
        daily.unit,
        daily.day_on,
        daily.is_estimated
    from daily
    cross join first_day
    where daily.is_estimated is null or daily.is_estimated <> (daily.day_on < first_day.first_on)
)

select * from final
