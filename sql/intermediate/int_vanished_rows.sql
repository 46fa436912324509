-- grain: one row per stream and deleted record
-- reads: staging.stg_observations
-- money: none
-- time: UTC; deleted_at is when the deletion was noticed, not when it happened
-- materialized: table
-- A record is deleted when its last observation is that it vanished. At equal times reappearing takes
-- precedence: the row is not deleted.

with observations as (
    select * from staging.stg_observations
),

latest as (
    select
        stream,
        record_id,
        max(observed_at) filter (where what = 'vanished') as vanished_at,
        max(observed_at) filter (where what = 'reappeared') as reappeared_at
    from observations
    where what in ('vanished', 'reappeared')
    group by stream, record_id
),

final as (
    select
        stream,
        record_id,
        vanished_at as deleted_at
    from latest
    where vanished_at > coalesce(reappeared_at, timestamp '0001-01-01')
)

select * from final
