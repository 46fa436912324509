-- grain: one row per stream and range of ids; the ranges of a stream do not overlap
-- reads: raw.refresh_ranges
-- money: none
-- time: UTC, the server's
-- When ranges of ids were read again after the last complete read. The ids are those of users, also for coupons.

with source as (
    select * from raw.refresh_ranges
),

final as (
    select
        stream,
        coalesce(above_id, -9223372036854775808) as above_id,
        coalesce(upto_id, 9223372036854775807) as upto_id,
        seen_at
    from source
)

select * from final
