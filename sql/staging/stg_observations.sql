-- grain: one row per observation
-- reads: raw.observations
-- money: none
-- time: UTC; observed_at is the server's time
-- What a sync noticed and the API does not date: rows that vanished or reappeared, users who were seen late, and users
-- whose changes alter counts of closed days, with the counted values before and after.

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
