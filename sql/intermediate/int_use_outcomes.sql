-- grain: one row per cutoff, campaign, unit, age in days, outcome and further life of rewards that have a coupon
-- reads: intermediate.int_issued_parts, intermediate.int_build_clock
-- money: in the row's unit, exact
-- time: UTC; age in whole days since issue
-- materialized: table
-- The outcome of each issued reward with a coupon at two cutoffs: "now", and "then" (28 days earlier, using only
-- the days up to that one). Outcome: used (age: when it was), gone (expired or withdrawn by then), unused (age: at the
-- cutoff). later_value: of those unused then, the value used since. left_days: days until an unused one expires; 0 where
-- one was used after it should have expired; null = it does not expire.

with parts as (
    select * from intermediate.int_issued_parts
    where has_coupon and is_settled_on_use
),

clock as (
    select * from intermediate.int_build_clock
),

cutoffs as (
    select
        'now' as cutoff,
        as_of_on as cutoff_on
    from clock
    union all
    select
        'then' as cutoff,
        as_of_on - 28 as cutoff_on
    from clock
),

placed as (
    select
        cutoffs.cutoff,
        cutoffs.cutoff_on,
        parts.*,
        case
            when parts.ended_on is null or parts.ended_on > cutoffs.cutoff_on then 'unused'
            when parts.outcome = 'used' then 'used'
            else 'gone'
        end as outcome_then
    from parts
    inner join cutoffs on parts.issued_on <= cutoffs.cutoff_on
),

aged as (
    select
        *,
        date_diff('day', issued_on, case when outcome_then = 'unused' then cutoff_on else ended_on end) as age_days,
        outcome_then = 'unused' and outcome = 'used' as is_later
    from placed
),

final as (
    select
        cutoff,
        campaign_id,
        unit,
        outcome_then as outcome,
        age_days,
        case
            when outcome_then = 'unused' and expires_after_days is not null then greatest(expires_after_days - age_days, 0)
        end as left_days,
        cast(count(*) as bigint) as rewards_count,
        sum(part_value) as rewards_value,
        sum(cast(part_value as double) * cast(part_value as double) order by part_value) as squared_value,
        coalesce(sum(part_value) filter (where is_later), 0) as later_value,
        sum(least(part_value, 0)) as least_value,
        sum(greatest(part_value, 0)) as most_value
    from aged
    group by cutoff, campaign_id, unit, outcome_then, age_days, left_days
)

select * from final
