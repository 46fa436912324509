-- grain: one row per stream and record that is gone
-- reads: staging.stg_observations
-- money: none
-- time: UTC; deleted_at is when we noticed, not when it happened
-- A record is gone when the last that was noticed of it is that it vanished. At the same moment, reappearing wins:
-- a row is never called deleted on a tie.

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
