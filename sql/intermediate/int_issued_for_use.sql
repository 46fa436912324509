-- grain: one row per row of the list of rewards issued whose unit is or was settled on use
-- reads: intermediate.int_issued_latest, intermediate.int_use_periods, intermediate.int_build_clock
-- money: total_value and single_value in the row's unit, exact; single_value is rounded down to the digits with which amounts are
--   published
-- time: UTC; days that lie after the build or more than ten years before it are moved to the nearest day in between
-- materialized: table
-- Issued rewards that stay owed until they are used. first_no and last_no number the single rewards of a recipient in the
-- order of issue, so that the recipient's coupons can be assigned to them; null for rows that left the list. Rewards of a
-- unit that was settled on use only later come after those that were already owed until use, so that they do not take
-- their coupons. The last reward of a row has the remainder of the row's value.

with issued as (
    select * from intermediate.int_issued_latest
    where issued_at is not null and total_count > 0
),

terms as (
    select
        unit,
        min(from_on) as first_use_on
    from intermediate.int_use_periods
    group by unit
),

clock as (
    select * from intermediate.int_build_clock
),

owed as (
    select
        issued.record_id as issued_id,
        issued.campaign_id,
        issued.recipient_id,
        issued.unit,
        issued.issued_at,
        cast(
            greatest(least(issued.issued_at, clock.as_of_at), clock.as_of_at - interval 10 years) as date
        ) as issued_on,
        issued.total_count,
        coalesce(issued.total_value, 0) as total_value,
        case when issued.total_count > 1 and issued.price is null then replace(cast(issued.total_value as varchar), '.', '') end
            as digits, -- the value in millionths
        case when issued.total_count = 1 then issued.total_value else issued.price end as exact_value,
        issued.deleted_at,
        greatest(issued.issued_at, cast(terms.first_use_on as timestamp)) as owed_from_at
    from issued
    inner join terms on issued.unit = terms.unit
    cross join clock
),

numbered as (
    select
        *,
        case
            when deleted_at is null
                then sum(case when deleted_at is null then cast(total_count as hugeint) else 0 end) over earlier
        end as last_no
    from owed
    window earlier as (partition by recipient_id order by owed_from_at, issued_at, issued_id rows unbounded preceding)
),

-- The smallest published amount, in millionths.
steps as (
    select cast(power(10, 6 - getvariable('amount_digits')) as bigint) as size
),

divided as (
    select
        numbered.* exclude (digits, owed_from_at),
        -- in whole steps of the published digits
        ((cast(numbered.digits as hugeint) // numbered.total_count) // steps.size) * steps.size as millionths
    from numbered
    cross join steps
),

final as (
    select
        * exclude (millionths, exact_value),
        last_no - total_count + 1 as first_no,
        cast(
            coalesce(
                exact_value,
                cast(millionths // 1000000 as decimal(38, 6)) + cast(millionths % 1000000 as decimal(7, 0)) * 0.000001,
                0
            ) as decimal(38, 6)
        ) as single_value
    from divided
)

select * from final
