-- grain: one row per run and stream
-- key: run_id, stream
-- reads: staging.stg_run_streams, staging.stg_run_calls
-- money: none
-- time: UTC, without a zone, the server's
-- What each run read of each stream, the local and the API's row counts, and the purposes of its calls. Purposes are null
-- for runs of earlier versions, which did not record them.
-- answers: Is every stream fresh? Do the rows equal the API's count? What was written? What were the calls spent on?

with run_streams as (
    select * from staging.stg_run_streams
),

run_calls as (
    select * from staging.stg_run_calls
),

purposes as (
    select
        run_id,
        stream,
        coalesce(sum(calls_count) filter (where purpose = 'page'), 0) as page_calls_count,
        coalesce(sum(calls_count) filter (where purpose = 'count'), 0) as count_calls_count,
        coalesce(sum(calls_count) filter (where purpose = 'name'), 0) as name_calls_count,
        coalesce(sum(calls_count) filter (where purpose = 'reread'), 0) as reread_calls_count,
        coalesce(sum(calls_count) filter (where purpose = 'retry'), 0) as retry_calls_count
    from run_calls
    group by run_id, stream
),

final as (
    select
        run_streams.run_id, -- id of the run
        run_streams.stream, -- stream, e.g. users or rewards_due
        run_streams.is_complete, -- whether the whole list was read
        run_streams.api_count, -- rows that the API reports
        run_streams.our_count, -- rows in the load file
        run_streams.rows_seen_count, -- rows delivered in this run
        run_streams.rows_written_count, -- rows written in this run
        run_streams.rows_quarantined_count, -- rows quarantined in this run
        run_streams.calls_count, -- requests sent for the stream
        cast(purposes.page_calls_count as bigint) as page_calls_count, -- of these, pages of lists
        cast(purposes.count_calls_count as bigint) as count_calls_count, -- of these, counts of rows
        cast(purposes.name_calls_count as bigint) as name_calls_count, -- of these, coupons by name, with their batches
        cast(purposes.reread_calls_count as bigint) as reread_calls_count, -- of these, known rows read again
        cast(purposes.retry_calls_count as bigint) as retry_calls_count, -- of these, repetitions after unusable responses
        run_streams.observed_at -- the server's time of the observation, UTC
    from run_streams
    left join purposes on run_streams.run_id = purposes.run_id and run_streams.stream = purposes.stream
)

select * from final
order by observed_at, run_id, stream
