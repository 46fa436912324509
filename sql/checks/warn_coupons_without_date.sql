-- rule: every assigned coupon has a date of issue or of use
-- reads: core.coupons
-- Coupons with neither are in no month of marts.coupon_usage.

with coupons as (
    select * from core.coupons
),

final as (
    select
        coupon_id,
        user_id,
        batch_id
    from coupons
    where user_id is not null and issued_at is null and used_at is null and deleted_at is null
)

select * from final
