-- grain: one row per coupon batch, the row last seen
-- reads: raw.coupon_batches
-- money: none
-- time: UTC
-- The batches in which coupons were uploaded, as last received with one of their coupons.

with source as (
    select * from raw.coupon_batches
),

final as (
    select
        id as batch_id,
        campaign_id,
        name,
        _extra as extra,
        created_at,
        _fetched_at as last_seen_at
    from source
)

select * from final
