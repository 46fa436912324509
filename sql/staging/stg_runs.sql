-- grain: one row per run
-- reads: raw.runs
-- money: none
-- time: UTC; started_at and finished_at by this machine's clock, observed_at by the server's
-- The log of the loader's runs.

with source as (
    select * from raw.runs
),

final as (
    select
        run_id,
        command,
        status,
        error,
        calls as calls_count,
        started_at,
        finished_at,
        observed_at
    from source
)

select * from final
