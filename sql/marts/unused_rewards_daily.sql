-- grain: one row per campaign, unit that is settled on use, and day, without gaps to the day of the build
-- key: campaign_id, unit, day_on
-- metrics: used_value as rewards_used_value, expired_value as rewards_expired_value,
--   closing_value at last day_on as unused_closing_value
-- reads: intermediate.int_issued_parts, intermediate.int_build_clock
-- money: exact, in the row's unit; never add values across units
-- time: days in UTC, by the vendor's dates of issue and use
-- compression: rle
-- Roll-forward of issued rewards that are owed until they are used: opening + issued - used - expired - withdrawn =
-- closing, for counts and values, each day's opening being the closing of the day before.
-- answers: What did we owe in unused coupons on a given day? How much was used, how much expired this month?
-- wrong: dates are the vendor's, so that a use or issue that is reported late changes closed days. A changed setting of
-- warehouse.settles_on or warehouse.expires_after_days holds for all days. It reaches back ten years at most.

with parts as (
    select * from intermediate.int_issued_parts
),

clock as (
    select * from intermediate.int_build_clock
),

movements as (
    select
        campaign_id,
        unit,
        issued_on as day_on,
        part_count as issued_count,
        part_value as issued_value,
        null as outcome,
        null as ended_count,
        null as ended_value
    from parts
    union all
    select
        campaign_id,
        unit,
        ended_on as day_on,
        null as issued_count,
        null as issued_value,
        outcome,
        part_count as ended_count,
        part_value as ended_value
    from parts
    where ended_on is not null
),

days as (
    select
        campaign_id,
        unit,
        day_on,
        sum(issued_count) as issued_count,
        sum(issued_value) as issued_value,
        sum(ended_count) filter (where outcome = 'used') as used_count,
        sum(ended_value) filter (where outcome = 'used') as used_value,
        sum(ended_count) filter (where outcome = 'expired') as expired_count,
        sum(ended_value) filter (where outcome = 'expired') as expired_value,
        sum(ended_count) filter (where outcome = 'withdrawn') as withdrawn_count,
        sum(ended_value) filter (where outcome = 'withdrawn') as withdrawn_value
    from movements
    group by campaign_id, unit, day_on
),

spans as (
    select
        days.campaign_id,
        days.unit,
        min(days.day_on) as from_on,
        min(clock.as_of_on) as until_on
    from days
    cross join clock
    group by days.campaign_id, days.unit
),

grid as (
    select
        campaign_id,
        unit,
        cast(unnest(generate_series(from_on, until_on, interval 1 day)) as date) as day_on
    from spans
),

filled as (
    select
        grid.*,
        coalesce(days.issued_count, 0) as issued_count,
        coalesce(days.issued_value, 0) as issued_value,
        coalesce(days.used_count, 0) as used_count,
        coalesce(days.used_value, 0) as used_value,
        coalesce(days.expired_count, 0) as expired_count,
        coalesce(days.expired_value, 0) as expired_value,
        coalesce(days.withdrawn_count, 0) as withdrawn_count,
        coalesce(days.withdrawn_value, 0) as withdrawn_value
    from grid
    left join days on grid.campaign_id = days.campaign_id and grid.unit = days.unit and grid.day_on = days.day_on
),

rolled as (
    select
        *,
        issued_count - used_count - expired_count - withdrawn_count as net_count,
        issued_value - used_value - expired_value - withdrawn_value as net_value,
        sum(net_count) over running as closing_count,
        sum(net_value) over running as closing_value
    from filled
    window running as (partition by campaign_id, unit order by day_on rows unbounded preceding)
),

final as (
    select
        campaign_id, -- campaign of the reward, else of the recipient; 0 = unknown
        unit, -- what the values are counted in; values of different units must not be added
        day_on, -- day, UTC
        closing_count - net_count as opening_count, -- unused rewards when the day began
        issued_count, -- rewards issued on the day
        used_count, -- rewards used
        expired_count, -- rewards that expired unused
        withdrawn_count, -- rewards withdrawn: the coupon was deleted unused, or the reward left the list
        closing_count, -- unused rewards when the day ended
        closing_value - net_value as opening_value, -- value owed when the day began
        issued_value, -- value issued
        used_value, -- value used
        expired_value, -- value expired
        withdrawn_value, -- value withdrawn
        closing_value -- value owed when the day ended
    from rolled
)

select * from final
order by campaign_id, unit, day_on
