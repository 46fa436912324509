-- grain: one row per campaign, reward type, unit and day, without gaps from the first sync to the day of the build
-- reads: intermediate.int_reward_movements, intermediate.int_sync_points, intermediate.int_build_clock
-- money: exact, in the row's unit; never add values across units
-- time: days in UTC; a movement is booked on the day of the sync that saw it
-- Roll-forward of what is owed (due and in process): opening + accrued - issued - reversed = closing, for counts and
-- for values, each day's opening being the closing of the day before. The first sync finds an opening balance and no
-- movements. The liability as of any day is the closing of that day.
-- answers: What did we owe on a given day? How much fell due, was issued, was reversed this month?
-- wrong: movements between two syncs are seen together: what accrued and was reversed in between leaves no trace, and
-- after a pause all of it is booked on the first day seen. A change of price is in accrued (up) or reversed (down),
-- and in repriced_value. issued is what the issued list gained, whatever date it bears; it is negative in the rare
-- case that the API takes an issue back.

with movements as (
    select * from intermediate.int_reward_movements
),

sync_points as (
    select * from intermediate.int_sync_points
),

clock as (
    select * from intermediate.int_build_clock
),

-- Balances and movements of nothing (rewards that were issued before we first looked) make no rows.
balances as (
    select
        campaign_id,
        reward_type,
        unit,
        sum(opening_count) filter (where is_first_sync) as first_opening_count,
        sum(opening_value) filter (where is_first_sync) as first_opening_value
    from movements
    group by campaign_id, reward_type, unit
),

first_day as (
    select cast(min(sync_at) as date) as first_on from sync_points
),

days as (
    select unnest(generate_series(first_day.first_on, greatest(clock.as_of_on, first_day.first_on), interval 1 day)) as day_at
    from first_day
    cross join clock
),

grid as (
    select
        balances.*,
        cast(days.day_at as date) as day_on
    from balances
    cross join days
),

per_day as (
    select
        campaign_id,
        reward_type,
        unit,
        sync_on,
        sum(accrued_count) as accrued_count,
        sum(accrued_value) as accrued_value,
        sum(issued_count) as issued_count,
        sum(issued_value) as issued_value,
        sum(reversed_count) as reversed_count,
        sum(reversed_value) as reversed_value,
        sum(repriced_value) as repriced_value,
        sum(in_process_change_count) as in_process_change_count,
        sum(in_process_change_value) as in_process_change_value
    from movements
    group by campaign_id, reward_type, unit, sync_on
),

filled as (
    select
        grid.campaign_id,
        grid.reward_type,
        grid.unit,
        grid.day_on,
        coalesce(grid.first_opening_count, 0) as first_opening_count,
        coalesce(grid.first_opening_value, 0) as first_opening_value,
        coalesce(per_day.accrued_count, 0) as accrued_count,
        coalesce(per_day.accrued_value, 0) as accrued_value,
        coalesce(per_day.issued_count, 0) as issued_count,
        coalesce(per_day.issued_value, 0) as issued_value,
        coalesce(per_day.reversed_count, 0) as reversed_count,
        coalesce(per_day.reversed_value, 0) as reversed_value,
        coalesce(per_day.repriced_value, 0) as repriced_value,
        coalesce(per_day.in_process_change_count, 0) as in_process_change_count,
        coalesce(per_day.in_process_change_value, 0) as in_process_change_value
    from grid
    left join per_day
        on
            grid.campaign_id = per_day.campaign_id
            and grid.reward_type = per_day.reward_type
            and grid.unit = per_day.unit
            and grid.day_on = per_day.sync_on
),

rolled as (
    select
        *,
        first_opening_count + sum(accrued_count - issued_count - reversed_count) over running as closing_count,
        first_opening_value + sum(accrued_value - issued_value - reversed_value) over running as closing_value,
        sum(in_process_change_count) over running as in_process_count,
        sum(in_process_change_value) over running as in_process_value
    from filled
    window running as (
        partition by campaign_id, reward_type, unit
        order by day_on rows unbounded preceding
    )
),

final as (
    select
        campaign_id, -- campaign; 0 = unknown
        reward_type, -- kind of reward
        unit, -- what the values are counted in; values of different units must not be added
        day_on, -- day, UTC
        cast(closing_count - accrued_count + issued_count + reversed_count as bigint)
            as opening_count, -- rewards owed when the day began; on the first day: what the first sync found
        cast(accrued_count as bigint) as accrued_count, -- rewards that newly became owed
        cast(issued_count as bigint) as issued_count, -- rewards that were issued
        cast(reversed_count as bigint) as reversed_count, -- rewards no longer owed and not issued
        cast(closing_count as bigint) as closing_count, -- rewards owed at the day's last sync
        closing_value - accrued_value + issued_value + reversed_value as opening_value, -- value owed when the day began
        accrued_value, -- value that newly became owed, price rises included
        issued_value, -- value that was issued
        reversed_value, -- value no longer owed and not issued, price cuts included
        closing_value, -- value owed at the day's last sync
        repriced_value, -- of accrued less reversed: changes of value without a change of count
        cast(in_process_count as bigint) as closing_in_process_count, -- of closing_count: rewards in process
        in_process_value as closing_in_process_value -- of closing_value: value in process
    from rolled
)

select * from final
order by campaign_id, reward_type, unit, day_on
