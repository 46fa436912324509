-- grain: exactly one row
-- reads: staging.stg_runs, staging.stg_run_streams
-- money: none
-- time: UTC, the server's; null before the first observation
-- materialized: table
-- The time as of which the warehouse's data holds: the server's time at the last observation. Ages and windows count from
-- it, never from the clock of this machine, so a rebuild of the same load file has the same results.

with runs as (
    select * from staging.stg_runs
),

run_streams as (
    select * from staging.stg_run_streams
),

observed as (
    select observed_at from runs
    union all
    select observed_at from run_streams
),

final as (
    select
        max(observed_at) as as_of_at,
        cast(max(observed_at) as date) as as_of_on
    from observed
)

select * from final
