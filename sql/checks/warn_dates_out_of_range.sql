-- rule: dates of the account are between 2000 and the day after this build
-- reads: core.users, core.coupons, core.rewards_issued, intermediate.int_build_clock
-- Such rows keep their dates in core. In daily and monthly tables they count on the first or the last day of the table,
-- so that one wrong date does not add thousands of empty days.

with users as (
    select * from core.users
),

coupons as (
    select * from core.coupons
),

issued as (
    select * from core.rewards_issued
),

clock as (
    select * from intermediate.int_build_clock
),

dated as (
    select
        'users.joined_at' as what,
        user_id as row_id,
        joined_at as dated_at
    from users
    union all
    select
        'users.qualified_at' as what,
        user_id as row_id,
        qualified_at as dated_at
    from users
    union all
    select
        'users.unsubscribed_at' as what,
        user_id as row_id,
        unsubscribed_at as dated_at
    from users
    union all
    select
        'coupons.issued_at' as what,
        coupon_id as row_id,
        issued_at as dated_at
    from coupons
    union all
    select
        'coupons.used_at' as what,
        coupon_id as row_id,
        used_at as dated_at
    from coupons
    union all
    select
        'rewards_issued.issued_at' as what,
        issued_id as row_id,
        issued_at as dated_at
    from issued
),

final as (
    select
        dated.what,
        dated.row_id,
        dated.dated_at
    from dated
    cross join clock
    where dated.dated_at < timestamp '2000-01-01' or dated.dated_at > clock.as_of_at + interval 1 day
)

select * from final
