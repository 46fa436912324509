-- grain: one row per run and stream
-- reads: raw.run_streams
-- money: none
-- time: UTC, the server's
-- What each run did to each stream.

with source as (
    select * from raw.run_streams
),

final as (
    select
        run_id,
        stream,
        is_complete,
        api_count,
        our_count,
        rows_seen as rows_seen_count,
        rows_written as rows_written_count,
        rows_quarantined as rows_quarantined_count,
        calls as calls_count,
        observed_at
    from source
)

select * from final
