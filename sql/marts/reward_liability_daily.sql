-- grain: one row per campaign, reward type, unit and day, without gaps to the day of the build
-- key: campaign_id, reward_type, unit, day_on
-- metrics: accrued_count as liability_accrued_count, issued_count as liability_issued_count,
--   reversed_count as liability_reversed_count, closing_count at last day_on as liability_count,
--   accrued_value as liability_accrued_value, issued_value as liability_issued_value,
--   reversed_value as liability_reversed_value, closing_value at last day_on as liability_value where not is_estimated
-- reads: intermediate.int_reward_ledger, intermediate.int_reward_estimates, intermediate.int_sync_points,
--   intermediate.int_build_clock
-- money: exact unless is_estimated, in the row's unit; never add values across units
-- time: days in UTC; a movement is booked on the day of the sync that saw it, an estimated one on the vendor's date
-- compression: rle
-- Roll-forward of what is owed (due and in process): opening + accrued + reclassified in - issued - reversed -
-- reclassified out = closing, for counts and for values, each day's opening being the closing of the day before. From the
-- day of the first sync on, rows are exact: sums of marts.reward_ledger. Rows of earlier days are an estimate
-- (is_estimated). No day has both, so the liability as of any day is the closing of that day; sums over movements need
-- "not is_estimated". The first exact opening differs from the last estimated closing: gap_count and gap_value are what
-- the first sync found beyond the estimate.
-- answers: What did we owe on a given day? How much fell due, was issued, was reversed this month? What was roughly owed
-- before the first sync, and how good is that estimate?
-- wrong: movements between two syncs are netted: a reward that accrued and was reversed in between leaves no trace, and
-- after days without a sync all movements are booked on the day of the next one. A day without a sync (had_sync) repeats
-- the closing before it, which was true at observed_until_at. A change of price is in accrued (up) or reversed (down),
-- and in repriced_value. issued is what the issued list gained, whatever the vendor's date of issue; it is negative where
-- an issue was taken back. restated_count and restated_value are the part that belongs to an earlier interval. The
-- estimate has no reversals, no earlier prices, nobody who was deleted before the first sync, and nothing of that sync's
-- own day; it changes as people change. It goes back ten years at most.

with ledger as (
    select * from intermediate.int_reward_ledger
),

estimates as (
    select * from intermediate.int_reward_estimates
),

sync_points as (
    select * from intermediate.int_sync_points
),

clock as (
    select * from intermediate.int_build_clock
),

first_day as (
    select cast(min(sync_at) as date) as first_on from sync_points
),

sync_days as (
    select
        cast(sync_at as date) as day_on,
        max(sync_at) as last_sync_at
    from sync_points
    where is_sync_point
    group by cast(sync_at as date)
),

movements as (
    select
        campaign_id,
        reward_type,
        unit,
        false as is_estimated,
        cast(sync_at as date) as day_on,
        sum(case when is_opening_balance then opening_count else 0 end) as found_count,
        sum(case when is_opening_balance then opening_value else 0 end) as found_value,
        sum(accrued_count) as accrued_count,
        sum(accrued_value) as accrued_value,
        sum(issued_count) as issued_count,
        sum(issued_value) as issued_value,
        sum(reversed_count) as reversed_count,
        sum(reversed_value) as reversed_value,
        sum(reclassified_in_count) as reclassified_in_count,
        sum(reclassified_in_value) as reclassified_in_value,
        sum(reclassified_out_count) as reclassified_out_count,
        sum(reclassified_out_value) as reclassified_out_value,
        sum(repriced_value) as repriced_value,
        sum(restated_count) as restated_count,
        sum(restated_value) as restated_value,
        sum(in_process_closing_count - case when is_opening_balance then 0 else in_process_opening_count end) as in_process_count,
        sum(in_process_closing_value - case when is_opening_balance then 0 else in_process_opening_value end) as in_process_value
    from ledger
    group by campaign_id, reward_type, unit, cast(sync_at as date)
    union all by name
    select
        campaign_id,
        reward_type,
        unit,
        true as is_estimated,
        day_on,
        accrued_count,
        accrued_value,
        issued_count,
        issued_value
    from estimates
),

spans as (
    select
        movements.campaign_id,
        movements.reward_type,
        movements.unit,
        movements.is_estimated,
        sum(movements.found_count) as found_count,
        sum(movements.found_value) as found_value,
        case when movements.is_estimated then min(movements.day_on) else min(first_day.first_on) end as from_on,
        case
            when movements.is_estimated then min(first_day.first_on) - 1
            else greatest(min(clock.as_of_on), min(first_day.first_on))
        end as until_on
    from movements
    cross join first_day
    cross join clock
    group by movements.campaign_id, movements.reward_type, movements.unit, movements.is_estimated
),

-- The days on which something moved, and the first day of each series.
moved_days as (
    select
        campaign_id,
        reward_type,
        unit,
        is_estimated,
        from_on as day_on
    from spans
    union
    select
        campaign_id,
        reward_type,
        unit,
        is_estimated,
        day_on
    from movements
),

moved as (
    select
        spans.campaign_id,
        spans.reward_type,
        spans.unit,
        spans.is_estimated,
        spans.until_on,
        spans.found_count,
        spans.found_value,
        moved_days.day_on as moved_on,
        coalesce(movements.accrued_count, 0) as accrued_count,
        coalesce(movements.accrued_value, 0) as accrued_value,
        coalesce(movements.issued_count, 0) as issued_count,
        coalesce(movements.issued_value, 0) as issued_value,
        coalesce(movements.reversed_count, 0) as reversed_count,
        coalesce(movements.reversed_value, 0) as reversed_value,
        coalesce(movements.reclassified_in_count, 0) as reclassified_in_count,
        coalesce(movements.reclassified_in_value, 0) as reclassified_in_value,
        coalesce(movements.reclassified_out_count, 0) as reclassified_out_count,
        coalesce(movements.reclassified_out_value, 0) as reclassified_out_value,
        coalesce(movements.repriced_value, 0) as repriced_value,
        coalesce(movements.restated_count, 0) as restated_count,
        coalesce(movements.restated_value, 0) as restated_value,
        coalesce(movements.in_process_count, 0) as moved_in_process_count,
        coalesce(movements.in_process_value, 0) as moved_in_process_value
    from spans
    inner join moved_days
        on
            spans.campaign_id = moved_days.campaign_id
            and spans.reward_type = moved_days.reward_type
            and spans.unit = moved_days.unit
            and spans.is_estimated = moved_days.is_estimated
    left join movements
        on
            moved_days.campaign_id = movements.campaign_id
            and moved_days.reward_type = movements.reward_type
            and moved_days.unit = movements.unit
            and moved_days.is_estimated = movements.is_estimated
            and moved_days.day_on = movements.day_on
    where moved_days.day_on <= spans.until_on
),

balanced as (
    select
        *,
        accrued_count + reclassified_in_count - issued_count - reversed_count - reclassified_out_count as net_count,
        accrued_value + reclassified_in_value - issued_value - reversed_value - reclassified_out_value as net_value,
        coalesce(found_count, 0) + sum(net_count) over running as closing_count,
        coalesce(found_value, 0) + sum(net_value) over running as closing_value,
        case when not is_estimated then sum(moved_in_process_count) over running end as in_process_count,
        case when not is_estimated then sum(moved_in_process_value) over running end as in_process_value,
        lead(moved_on) over running as next_on
    from moved
    window running as (
        partition by campaign_id, reward_type, unit, is_estimated
        order by moved_on rows unbounded preceding
    )
),

first_found as (
    select
        campaign_id,
        reward_type,
        unit,
        found_count,
        found_value
    from spans
    where not is_estimated
),

sorted as (
    select
        balanced.*,
        coalesce(first_found.found_count, 0) as first_found_count,
        coalesce(first_found.found_value, 0) as first_found_value
    from balanced
    left join first_found
        on
            balanced.campaign_id = first_found.campaign_id
            and balanced.reward_type = first_found.reward_type
            and balanced.unit = first_found.unit
    order by balanced.campaign_id, balanced.reward_type, balanced.unit, balanced.moved_on -- here, where rows are few
),

-- Most days have no movement: copying the day before costs less than computing a sum. Days stay sorted.
grid as (
    select
        *,
        cast(unnest(generate_series(moved_on, coalesce(next_on - 1, until_on), interval 1 day)) as date) as day_on
    from sorted
),

rolled as (
    select
        * exclude (moved_on, next_on) replace (
            case when day_on = moved_on then accrued_count else 0 end as accrued_count,
            case when day_on = moved_on then accrued_value else 0 end as accrued_value,
            case when day_on = moved_on then issued_count else 0 end as issued_count,
            case when day_on = moved_on then issued_value else 0 end as issued_value,
            case when day_on = moved_on then reversed_count else 0 end as reversed_count,
            case when day_on = moved_on then reversed_value else 0 end as reversed_value,
            case when day_on = moved_on then reclassified_in_count else 0 end as reclassified_in_count,
            case when day_on = moved_on then reclassified_in_value else 0 end as reclassified_in_value,
            case when day_on = moved_on then reclassified_out_count else 0 end as reclassified_out_count,
            case when day_on = moved_on then reclassified_out_value else 0 end as reclassified_out_value,
            case when day_on = moved_on then repriced_value else 0 end as repriced_value,
            case when day_on = moved_on then restated_count else 0 end as restated_count,
            case when day_on = moved_on then restated_value else 0 end as restated_value,
            case when day_on = moved_on then net_count else 0 end as net_count,
            case when day_on = moved_on then net_value else 0 end as net_value
        )
    from grid
),

all_days as (
    select cast(unnest(generate_series(min(from_on), max(until_on), interval 1 day)) as date) as day_on
    from spans
),

calendar as (
    select
        all_days.day_on,
        observed.last_sync_at,
        observed.day_on = all_days.day_on as had_sync
    from all_days
    asof left join sync_days as observed on all_days.day_on >= observed.day_on
),

final as (
    select
        rolled.campaign_id, -- campaign; 0 = no campaign
        rolled.reward_type, -- kind of reward
        rolled.unit, -- what the values are counted in; values of different units must not be added
        rolled.day_on, -- day, UTC
        rolled.is_estimated, -- true: before the first sync, estimated from dates and reward definitions; never add to exact rows
        not rolled.is_estimated and coalesce(calendar.had_sync, false) as had_sync, -- whether a sync saw both reward lists on this day
        case when not rolled.is_estimated then calendar.last_sync_at end
            as observed_until_at, -- last such sync up to the end of the day, UTC: the closing is as of then; null = estimated
        rolled.closing_count - rolled.net_count
            as opening_count, -- rewards owed when the day began; on the first exact day: what the first sync found
        rolled.accrued_count, -- rewards that newly became owed
        rolled.issued_count, -- rewards that were issued, less issues taken back
        rolled.reversed_count, -- rewards no longer owed and not issued
        rolled.reclassified_in_count, -- rewards owed that came from another campaign, reward type or unit
        rolled.reclassified_out_count, -- rewards owed that went to another campaign, reward type or unit
        rolled.closing_count, -- rewards owed at the day's last sync
        rolled.closing_value - rolled.net_value as opening_value, -- value owed when the day began
        rolled.accrued_value, -- value that newly became owed, price rises included
        rolled.issued_value, -- value that was issued, less issues taken back
        rolled.reversed_value, -- value no longer owed and not issued, price cuts included
        rolled.reclassified_in_value, -- value that came from another campaign, reward type or unit
        rolled.reclassified_out_value, -- value that went to another campaign, reward type or unit
        rolled.closing_value, -- value owed at the day's last sync
        rolled.repriced_value, -- of accrued less reversed: changes of price
        rolled.in_process_count as closing_in_process_count, -- of closing_count: rewards in process; null = estimated, not known
        rolled.in_process_value as closing_in_process_value, -- of closing_value: value in process; null = estimated, not known
        rolled.restated_count, -- of the movements: rewards of an earlier interval (restatement in marts.reward_ledger)
        rolled.restated_value, -- value of restated_count
        case
            when rolled.is_estimated and rolled.day_on = rolled.until_on
                then rolled.first_found_count - rolled.closing_count
        end as gap_count, -- on the last estimated day: rewards found by the first sync beyond the estimate; negative = fewer
        case
            when rolled.is_estimated and rolled.day_on = rolled.until_on
                then rolled.first_found_value - rolled.closing_value
        end as gap_value -- value of gap_count; null on all other days
    from rolled
    left join calendar on rolled.day_on = calendar.day_on
)

select * from final
