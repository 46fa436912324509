-- grain: one row per row of rewards issued that are settled on use, and coupon of it; the rewards of a row that have no
--   coupon are one row together
-- reads: intermediate.int_issued_for_use, intermediate.int_vanished_rows, intermediate.int_build_clock, staging.stg_coupons
-- money: part_value in the row's unit, exact; the parts of a row add up to its value
-- time: UTC; ended_on is null while a part is unused and never before issued_on
-- materialized: table
-- What became of issued rewards: used (their coupon was), expired (unused for as many days as the settings give), withdrawn
-- (the coupon was deleted unused, or the reward left the list), or unused. The n-th reward of a recipient is taken to be
-- the recipient's n-th coupon, both in the order of issue, because the API does not connect them.

with issued as (
    select * from intermediate.int_issued_for_use
),

coupons as (
    select * from staging.stg_coupons
    where user_id is not null and (issued_at is not null or used_at is not null)
),

vanished as (
    select * from intermediate.int_vanished_rows
    where stream = 'coupons'
),

clock as (
    select * from intermediate.int_build_clock
),

held as (
    select
        coupons.coupon_id,
        coupons.user_id,
        coupons.used_at,
        vanished.deleted_at,
        row_number() over (
            partition by coupons.user_id
            order by coalesce(coupons.issued_at, coupons.used_at), coupons.coupon_id
        ) as coupon_no
    from coupons
    semi join issued on coupons.user_id = issued.recipient_id
    left join vanished on coupons.coupon_id = vanished.record_id
),

with_coupon as (
    select
        issued.*,
        held.coupon_id,
        held.used_at,
        held.deleted_at as coupon_deleted_at,
        1 as part_count,
        case
            when held.coupon_no = issued.last_no then issued.total_value - (issued.total_count - 1) * issued.single_value
            else issued.single_value
        end as part_value
    from issued
    inner join held
        on
            issued.recipient_id = held.user_id
            and held.coupon_no between issued.first_no and issued.last_no
),

assigned as (
    select
        issued_id,
        sum(part_count) as part_count,
        sum(part_value) as part_value
    from with_coupon
    group by issued_id
),

without_coupon as (
    select
        issued.*,
        null as coupon_id,
        null as used_at,
        null as coupon_deleted_at,
        issued.total_count - coalesce(assigned.part_count, 0) as part_count,
        issued.total_value - coalesce(assigned.part_value, 0) as part_value
    from issued
    left join assigned on issued.issued_id = assigned.issued_id
    where issued.total_count > coalesce(assigned.part_count, 0)
),

parts as (
    select * from with_coupon
    union all by name
    select * from without_coupon
),

ended as (
    select
        parts.*,
        case
            when parts.deleted_at is not null then 'withdrawn'
            when parts.used_at is not null then 'used'
            when parts.coupon_deleted_at is not null then 'withdrawn'
            when date_diff('day', parts.issued_on, clock.as_of_on) >= parts.expires_after_days then 'expired'
            else 'unused'
        end as outcome,
        case
            when parts.deleted_at is not null then parts.deleted_at
            when parts.used_at is not null then parts.used_at
            when parts.coupon_deleted_at is not null then parts.coupon_deleted_at
        end as ended_at,
        clock.as_of_on
    from parts
    cross join clock
),

final as (
    select
        issued_id,
        coupon_id,
        campaign_id,
        recipient_id,
        unit,
        issued_at,
        issued_on,
        expires_after_days,
        cast(part_count as decimal(38, 0)) as part_count,
        cast(part_value as decimal(38, 6)) as part_value,
        coupon_id is not null as has_coupon,
        outcome,
        case outcome
            when 'unused' then null
            when 'expired' then issued_on + cast(expires_after_days as integer)
            else greatest(cast(least(ended_at, as_of_on) as date), issued_on)
        end as ended_on
    from ended
)

select * from final
