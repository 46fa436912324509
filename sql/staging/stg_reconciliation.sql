-- grain: one row per run and stream
-- reads: raw.reconciliation
-- money: none
-- time: UTC, the server's
-- The results of comparing the loaded rows with the API's counts, per run and stream.

with source as (
    select * from raw.reconciliation
),

final as (
    select
        run_id,
        stream,
        compared_by,
        upto_id,
        api_count,
        our_count,
        found as differences_found,
        repaired_by,
        rows_missing as missing_count,
        rows_changed as changed_count,
        rows_vanished as vanished_count,
        rows_reappeared as reappeared_count,
        in_flight,
        calls as calls_count,
        observed_at
    from source
)

select * from final
