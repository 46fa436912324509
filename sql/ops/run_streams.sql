-- grain: one row per run and stream
-- key: run_id, stream
-- reads: staging.stg_run_streams
-- money: none
-- time: UTC, without a zone, the server's
-- What each run read of each stream, and its counts beside those of the API.
-- answers: Is every stream fresh? Do the rows equal the API's count? What was written?

with run_streams as (
    select * from staging.stg_run_streams
),

final as (
    select
        run_id, -- id of the run
        stream, -- stream, e.g. users or rewards_due
        is_complete, -- whether the whole list was read
        api_count, -- rows that the API reports
        our_count, -- rows in the warehouse
        rows_seen_count, -- rows delivered in this run
        rows_written_count, -- rows written in this run
        rows_quarantined_count, -- rows quarantined in this run
        calls_count, -- requests spent
        observed_at -- the server's time of the observation, UTC
    from run_streams
)

select * from final
order by observed_at, run_id, stream
