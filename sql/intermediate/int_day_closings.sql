-- grain: one row per day on which a sync that finished began to read the users
-- reads: staging.stg_runs, staging.stg_run_streams
-- money: none
-- time: UTC, the server's
-- When days were closed: by the first finished sync that began to read the users after the end of the day. Consecutive
-- days without a sync in between have the same closing. No day was closed before every user had been read once.

with runs as (
    select * from staging.stg_runs
),

run_streams as (
    select * from staging.stg_run_streams
    where stream = 'users'
),

first_complete as (
    select min(observed_at) as first_complete_at
    from run_streams
    where is_complete
),

final as (
    select
        cast(run_streams.observed_at as date) as began_on,
        arg_min(greatest(runs.observed_at, run_streams.observed_at), run_streams.observed_at) as closed_at
    from run_streams
    inner join runs on run_streams.run_id = runs.run_id
    cross join first_complete
    where runs.status = 'done' and run_streams.observed_at >= first_complete.first_complete_at
    group by cast(run_streams.observed_at as date)
)

select * from final
