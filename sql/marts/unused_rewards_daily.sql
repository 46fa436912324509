-- grain: one row per campaign, unit that is or was settled on use, and day, without gaps to the day of the build
-- key: campaign_id, unit, day_on
-- metrics: used_value as rewards_used_value, expired_value as rewards_expired_value,
--   closing_value at last day_on as unused_closing_value
-- reads: intermediate.int_issued_parts, intermediate.int_use_periods, intermediate.int_build_clock
-- money: exact, in the row's unit; never add values across units
-- time: days in UTC, by the vendor's dates of issue and use
-- compression: rle
-- Roll-forward of issued rewards that are owed until they are used: opening + issued + reclassified in - used - expired -
-- withdrawn - reclassified out = closing, for counts and values, each day's opening being the closing of the day before.
-- Reclassified are rewards that were issued earlier, are unused, and become owed or are no longer owed because the
-- setting warehouse.settles_on changed; they are booked on the day of the first sync with the new setting.
-- answers: What did we owe in unused coupons on a given day? How much was used, how much expired this month?
-- wrong: dates are the vendor's: a use or issue that is reported late changes closed days. The first setting of
-- warehouse.settles_on and warehouse.expires_after_days that a sync had is applied to all earlier days too; a reward
-- counts in its present unit on all days. Days go back ten years at most.

with parts as (
    select * from intermediate.int_issued_parts
),

clock as (
    select * from intermediate.int_build_clock
),

use_periods as (
    select * from intermediate.int_use_periods
),

-- The rewards that were owed in a period of their unit: issued in it, or unused when it began.
owed as (
    select
        parts.campaign_id,
        parts.unit,
        parts.part_count,
        parts.part_value,
        parts.outcome,
        parts.issued_on < use_periods.from_on as is_reclassified,
        greatest(parts.issued_on, use_periods.from_on) as entered_on,
        least(coalesce(parts.ended_on, date 'infinity'), use_periods.until_on) as left_on,
        coalesce(parts.ended_on < use_periods.until_on, false) as is_ended
    from parts
    inner join use_periods on parts.unit = use_periods.unit
    where
        parts.issued_on < use_periods.until_on
        and coalesce(parts.ended_on, date 'infinity') >= use_periods.from_on
),

movements as (
    select
        campaign_id,
        unit,
        entered_on as day_on,
        case when is_reclassified then 'in' else 'issued' end as movement,
        part_count as moved_count,
        part_value as moved_value
    from owed
    union all
    select
        campaign_id,
        unit,
        left_on as day_on,
        case when is_ended then outcome else 'out' end as movement,
        part_count as moved_count,
        part_value as moved_value
    from owed
    where left_on <> date 'infinity'
),

days as (
    select
        campaign_id,
        unit,
        day_on,
        sum(moved_count) filter (where movement = 'issued') as issued_count,
        sum(moved_value) filter (where movement = 'issued') as issued_value,
        sum(moved_count) filter (where movement = 'used') as used_count,
        sum(moved_value) filter (where movement = 'used') as used_value,
        sum(moved_count) filter (where movement = 'expired') as expired_count,
        sum(moved_value) filter (where movement = 'expired') as expired_value,
        sum(moved_count) filter (where movement = 'withdrawn') as withdrawn_count,
        sum(moved_value) filter (where movement = 'withdrawn') as withdrawn_value,
        sum(moved_count) filter (where movement = 'in') as reclassified_in_count,
        sum(moved_value) filter (where movement = 'in') as reclassified_in_value,
        sum(moved_count) filter (where movement = 'out') as reclassified_out_count,
        sum(moved_value) filter (where movement = 'out') as reclassified_out_value
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
        coalesce(days.withdrawn_value, 0) as withdrawn_value,
        coalesce(days.reclassified_in_count, 0) as reclassified_in_count,
        coalesce(days.reclassified_in_value, 0) as reclassified_in_value,
        coalesce(days.reclassified_out_count, 0) as reclassified_out_count,
        coalesce(days.reclassified_out_value, 0) as reclassified_out_value
    from grid
    left join days on grid.campaign_id = days.campaign_id and grid.unit = days.unit and grid.day_on = days.day_on
),

rolled as (
    select
        *,
        issued_count + reclassified_in_count - used_count - expired_count - withdrawn_count - reclassified_out_count as net_count,
        issued_value + reclassified_in_value - used_value - expired_value - withdrawn_value - reclassified_out_value as net_value,
        sum(net_count) over running as closing_count,
        sum(net_value) over running as closing_value
    from filled
    window running as (partition by campaign_id, unit order by day_on rows unbounded preceding)
),

final as (
    select
        campaign_id, -- campaign of the reward, else of the recipient; 0 = no campaign
        unit, -- what the values are counted in; values of different units must not be added
        day_on, -- day, UTC
        closing_count - net_count as opening_count, -- unused rewards when the day began
        issued_count, -- rewards issued on the day
        used_count, -- rewards used
        expired_count, -- rewards that expired unused
        withdrawn_count, -- rewards withdrawn: the coupon was deleted unused, or the reward left the list
        reclassified_in_count, -- unused rewards that became owed because a setting changed
        reclassified_out_count, -- unused rewards that are no longer owed because a setting changed
        closing_count, -- unused rewards when the day ended
        closing_value - net_value as opening_value, -- value owed when the day began
        issued_value, -- value issued
        used_value, -- value used
        expired_value, -- value expired
        withdrawn_value, -- value withdrawn
        reclassified_in_value, -- value that became owed because a setting changed
        reclassified_out_value, -- value that is no longer owed because a setting changed
        closing_value -- value owed when the day ended
    from rolled
)

select * from final
order by campaign_id, unit, day_on
