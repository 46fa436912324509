-- grain: one row per run and stream
-- reads: staging.stg_run_streams
-- money: none
-- time: UTC, without a zone, the server's
-- What each run saw of each stream and how its counts compare with the API's.
-- answers: Is every stream fresh? Do our rows equal the API's count? What was written?

with run_streams as (
    select * from staging.stg_run_streams
),

final as (
    select
        run_id, -- id of the run
        stream, -- stream, e.g. users or rewards_due
        is_complete, -- whether the whole list was walked
        api_count, -- rows the API says it has
        our_count, -- rows we hold of it
        rows_seen_count, -- rows delivered in this run
        rows_written_count, -- rows written in this run
        rows_quarantined_count, -- rows set aside in this run
        calls_count, -- requests spent
        observed_at -- the server's time of the observation, UTC
    from run_streams
)

select * from final
order by observed_at, run_id, stream
