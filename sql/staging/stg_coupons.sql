-- grain: one row per coupon, the row last seen
-- reads: raw.coupons
-- money: none
-- time: UTC
-- Every coupon that is assigned to a user or was requested by name, as last received.

with source as (
    select * from raw.coupons
),

final as (
    select
        id as coupon_id,
        referral_id as user_id,
        batch_id,
        name,
        _extra as extra,
        issued_at,
        used_at,
        _fetched_at as last_seen_at
    from source
)

select * from final
