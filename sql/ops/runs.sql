-- grain: one row per run of the loader
-- key: run_id
-- reads: staging.stg_runs
-- money: none
-- time: UTC, without a zone; started and finished by this machine's clock, observed by the server's
-- The log of loads, up to the one that this snapshot was built from. Observations of failed runs do not count. The data
-- is as of the newest observed_at: `synced_at` of the manifest. Later syncs that found nothing new are not in this table;
-- `current_at` of the manifest is the time of the last of them.
-- answers: When was the last load? Did it succeed? How many calls did it cost?

with runs as (
    select * from staging.stg_runs
),

final as (
    select
        run_id, -- id of the run
        command, -- command that started it
        status, -- running, done, failed, or interrupted (stopped or killed)
        error, -- what went wrong, in one line; null = nothing
        calls_count, -- requests sent to the API
        started_at, -- start by this machine's clock, UTC
        finished_at, -- end by this machine's clock, UTC; null = not finished
        observed_at -- the server's time of its last response, UTC
    from runs
)

select * from final
order by observed_at, run_id
