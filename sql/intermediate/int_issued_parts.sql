-- grain: one row per row of rewards issued that are or were settled on use, and coupon of it; the rewards of a row that have no
--   coupon are one row together
-- reads: intermediate.int_issued_for_use, intermediate.int_unit_terms, intermediate.int_vanished_rows,
--   intermediate.int_build_clock, staging.stg_coupons
-- money: part_value in the row's unit, exact; the parts of a row add up to its value
-- time: UTC; ended_on is null while a part is unused and never before issued_on
-- materialized: table
-- What became of issued rewards: used (their coupon was), expired (unused for warehouse.expires_after_days), withdrawn
-- (the coupon was deleted unused, or the reward left the list), or unused. The n-th reward of a recipient is taken to be
-- the recipient's n-th coupon, both in the order of issue, because the API does not connect them. A reward expires on the
-- first day on which the expiry days in force have passed, but not before the day on which they were set.
-- is_settled_on_use: whether the unit is settled on use now.

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

terms as (
    select * from intermediate.int_unit_terms
    where settles_on = 'use'
),

terms_now as (
    select
        unit,
        expires_after_days
    from terms
    where until_on is null
),

issue_days as (
    select distinct
        unit,
        issued_on
    from issued
),

expiring as (
    select
        issue_days.unit,
        issue_days.issued_on,
        terms.until_on,
        greatest(issue_days.issued_on + cast(terms.expires_after_days as integer), terms.from_on) as expired_on
    from issue_days
    inner join terms on issue_days.unit = terms.unit
    where terms.expires_after_days is not null
),

expiries as (
    select
        expiring.unit,
        expiring.issued_on,
        min(expiring.expired_on) as expired_on
    from expiring
    cross join clock
    where expiring.expired_on <= clock.as_of_on and (expiring.until_on is null or expiring.expired_on < expiring.until_on)
    group by expiring.unit, expiring.issued_on
),

numbered_coupons as (
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
        numbered_coupons.coupon_id,
        numbered_coupons.used_at,
        numbered_coupons.deleted_at as coupon_deleted_at,
        1 as part_count,
        case
            when numbered_coupons.coupon_no = issued.last_no then issued.total_value - (issued.total_count - 1) * issued.single_value
            else issued.single_value
        end as part_value
    from issued
    inner join numbered_coupons
        on
            issued.recipient_id = numbered_coupons.user_id
            and numbered_coupons.coupon_no between issued.first_no and issued.last_no
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
            when expiries.expired_on is not null then 'expired'
            else 'unused'
        end as outcome,
        case
            when parts.deleted_at is not null then parts.deleted_at
            when parts.used_at is not null then parts.used_at
            when parts.coupon_deleted_at is not null then parts.coupon_deleted_at
        end as ended_at,
        expiries.expired_on,
        terms_now.expires_after_days,
        terms_now.unit is not null as is_settled_on_use,
        clock.as_of_on
    from parts
    cross join clock
    left join expiries on parts.unit = expiries.unit and parts.issued_on = expiries.issued_on
    left join terms_now on parts.unit = terms_now.unit
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
        is_settled_on_use,
        cast(part_count as decimal(38, 0)) as part_count,
        cast(part_value as decimal(38, 6)) as part_value,
        coupon_id is not null as has_coupon,
        outcome,
        case outcome
            when 'unused' then null
            when 'expired' then expired_on
            else greatest(cast(least(ended_at, as_of_on) as date), issued_on)
        end as ended_on
    from ended
)

select * from final
