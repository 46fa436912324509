-- grain: one row per campaign, unit and month from the first sync to now, and one per campaign and unit over all time
-- reads: intermediate.int_reward_ledger, intermediate.int_campaign_rewards, intermediate.int_campaign_people,
--   intermediate.int_people, intermediate.int_units, intermediate.int_build_clock
-- money: exact, in the row's unit; never added across units
-- time: month_on is the first day of a month in UTC; null = over all time
-- materialized: table
-- The rows of marts.campaign_costs and marts.campaign_costs_monthly, which document the columns. cost_value is null for
-- rewards counted in percent, since a percentage is not an amount. Quotients are computed and rounded to the digits of
-- the unit in whole numbers, because DuckDB divides decimals as floating-point numbers.

with ledger as (
    select * from intermediate.int_reward_ledger
),

rewards as (
    select * from intermediate.int_campaign_rewards
),

people_per_campaign as (
    select * from intermediate.int_campaign_people
),

people as (
    select * from intermediate.int_people
),

units as (
    select * from intermediate.int_units
),

clock as (
    select * from intermediate.int_build_clock
),

movements as (
    select
        campaign_id,
        unit,
        cast(date_trunc('month', sync_at) as date) as month_on,
        sum(case when is_opening_balance then opening_count else 0 end) as opening_count,
        sum(case when is_opening_balance then opening_value else 0 end) as opening_value,
        sum(accrued_count) as accrued_count,
        sum(accrued_value) as accrued_value,
        sum(issued_count) as issued_count,
        sum(issued_value) as issued_value,
        sum(reversed_count) as reversed_count,
        sum(reversed_value) as reversed_value,
        sum(reclassified_in_count) as reclassified_in_count,
        sum(reclassified_in_value) as reclassified_in_value,
        sum(reclassified_out_count) as reclassified_out_count,
        sum(reclassified_out_value) as reclassified_out_value
    from ledger
    group by campaign_id, unit, month_on
),

campaign_units as (
    select
        campaign_id,
        unit
    from rewards
    union
    select
        campaign_id,
        unit
    from movements
),

months as (
    select
        cast(
            unnest(generate_series(date_trunc('month', first.sync_at), clock.as_of_at, interval 1 month)) as date
        ) as month_on
    from (select min(sync_at) as sync_at from ledger) as first
    cross join clock
),

qualified as (
    select
        campaign_id,
        cast(date_trunc('month', qualified_at) as date) as month_on,
        count(*) as qualified_count
    from people
    where is_qualified_referral
    group by campaign_id, month_on
),

monthly as (
    select
        campaign_units.campaign_id,
        campaign_units.unit,
        months.month_on,
        coalesce(qualified.qualified_count, 0) as qualified_count,
        coalesce(movements.opening_count, 0) as found_count,
        coalesce(movements.opening_value, 0) as found_value,
        coalesce(movements.accrued_count, 0) as accrued_count,
        coalesce(movements.accrued_value, 0) as accrued_value,
        coalesce(movements.issued_count, 0) as issued_count,
        coalesce(movements.issued_value, 0) as issued_value,
        coalesce(movements.reversed_count, 0) as reversed_count,
        coalesce(movements.reversed_value, 0) as reversed_value,
        coalesce(movements.reclassified_in_count, 0) as reclassified_in_count,
        coalesce(movements.reclassified_in_value, 0) as reclassified_in_value,
        coalesce(movements.reclassified_out_count, 0) as reclassified_out_count,
        coalesce(movements.reclassified_out_value, 0) as reclassified_out_value
    from campaign_units
    cross join months
    left join movements
        on
            campaign_units.campaign_id = movements.campaign_id
            and campaign_units.unit = movements.unit
            and months.month_on = movements.month_on
    left join qualified on campaign_units.campaign_id = qualified.campaign_id and months.month_on = qualified.month_on
),

roll_forward as (
    select
        * exclude (found_count, found_value),
        accrued_count + reclassified_in_count - issued_count - reversed_count - reclassified_out_count as net_count,
        accrued_value + reclassified_in_value - issued_value - reversed_value - reclassified_out_value as net_value,
        sum(found_count + net_count) over running as closing_count,
        sum(found_value + net_value) over running as closing_value,
        accrued_value + reclassified_in_value - reversed_value - reclassified_out_value as arisen_value
    from monthly
    window running as (partition by campaign_id, unit order by month_on rows unbounded preceding)
),

both_grains as (
    select
        * exclude (net_count, net_value, arisen_value),
        closing_count - net_count as opening_count,
        closing_value - net_value as opening_value,
        0 as issued_ever_count,
        0 as issued_ever_value,
        arisen_value as full_cost_value
    from roll_forward
    union all by name
    select
        campaign_units.campaign_id,
        campaign_units.unit,
        cast(null as date) as month_on,
        coalesce(people_per_campaign.qualified_count, 0) as qualified_count,
        coalesce(sum(movements.opening_count), 0) as opening_count,
        coalesce(sum(movements.opening_value), 0) as opening_value,
        coalesce(sum(movements.accrued_count), 0) as accrued_count,
        coalesce(sum(movements.accrued_value), 0) as accrued_value,
        coalesce(sum(movements.issued_count), 0) as issued_count,
        coalesce(sum(movements.issued_value), 0) as issued_value,
        coalesce(sum(movements.reversed_count), 0) as reversed_count,
        coalesce(sum(movements.reversed_value), 0) as reversed_value,
        coalesce(sum(movements.reclassified_in_count), 0) as reclassified_in_count,
        coalesce(sum(movements.reclassified_in_value), 0) as reclassified_in_value,
        coalesce(sum(movements.reclassified_out_count), 0) as reclassified_out_count,
        coalesce(sum(movements.reclassified_out_value), 0) as reclassified_out_value,
        coalesce(any_value(rewards.due_count + rewards.in_process_count), 0) as closing_count,
        coalesce(any_value(rewards.owed_value), 0) as closing_value,
        coalesce(any_value(rewards.issued_count), 0) as issued_ever_count,
        coalesce(any_value(rewards.issued_value), 0) as issued_ever_value,
        closing_value + issued_ever_value as full_cost_value
    from campaign_units
    left join movements on campaign_units.campaign_id = movements.campaign_id and campaign_units.unit = movements.unit
    left join rewards on campaign_units.campaign_id = rewards.campaign_id and campaign_units.unit = rewards.unit
    left join people_per_campaign on campaign_units.campaign_id = people_per_campaign.campaign_id
    group by campaign_units.campaign_id, campaign_units.unit, people_per_campaign.qualified_count
),

costed as (
    select
        both_grains.* exclude (full_cost_value),
        coalesce(units.digits, 2) as unit_digits,
        case when both_grains.unit <> 'percent' then both_grains.full_cost_value end as cost_value,
        cast(trunc(cost_value) as hugeint) * 1000000 + cast((cost_value - trunc(cost_value)) * 1000000 as hugeint) as millionths,
        nullif(both_grains.qualified_count, 0) * cast(pow(10, 6 - unit_digits) as hugeint) as divisor,
        cast((millionths + sign(millionths) * (divisor // 2)) // divisor as decimal(38, 0)) as parts_per_qualified
    from both_grains
    left join units on both_grains.unit = units.unit
),

final as (
    select
        * exclude (millionths, divisor, parts_per_qualified, unit_digits),
        case unit_digits
            when 0 then cast(parts_per_qualified as decimal(38, 6))
            when 1 then cast(parts_per_qualified * 0.1 as decimal(38, 6))
            when 2 then cast(parts_per_qualified * 0.01 as decimal(38, 6))
            when 3 then cast(parts_per_qualified * 0.001 as decimal(38, 6))
            else cast(parts_per_qualified * 0.0001 as decimal(38, 6))
        end as cost_per_qualified_value
    from costed
)

select * from final
