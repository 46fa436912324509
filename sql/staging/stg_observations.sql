-- grain: one row per observation
-- reads: raw.observations
-- money: none
-- time: UTC; observed_at is the server's time
-- What was noticed without a date of its own: rows that vanished or reappeared, users who were seen late, and users who
-- are counted otherwise on days that were over, with the counted values before and after.

with source as (
    select * from raw.observations
),

final as (
    select
        stream,
        id as record_id,
        what,
        before as record_before,
        after as record_after,
        observed_at
    from source
)

select * from final
