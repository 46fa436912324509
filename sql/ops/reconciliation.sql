-- grain: one row per run and stream
-- reads: staging.stg_reconciliation
-- money: none
-- time: UTC, without a zone, the server's
-- How each run proved that our rows are the account's: what was compared, what differed, how it was repaired. A run
-- that finds a difference which stays although nothing moves fails and publishes nothing, so it stands in ops.runs only.
-- answers: Do our rows equal the account's? What had changed without a date, and how was it found? What did it cost?
-- wrong: differences that cancel each other out in every count, and changes of names, addresses and the API's own
-- counters, show in no count; they are among changed_count of the sweep that finds them.

with reconciliation as (
    select * from staging.stg_reconciliation
),

final as (
    select
        run_id, -- id of the run
        stream, -- stream, e.g. users or rewards_due
        compared_by, -- list: every row, in a complete list; counts: totals and flags; null: rides on another stream
        upto_id, -- largest id that was counted, so that what arrived meanwhile is no difference; null = all were
        api_count, -- rows the API counted when it was over
        our_count, -- rows we held of them
        differences_found, -- which counts differed before the repair, in words; null = none
        repaired_by, -- ids: exactly the ids that differed; sweep: everything was read again; null = nothing to repair
        missing_count, -- rows that were missing here and were fetched
        changed_count, -- rows that had changed and were refreshed
        vanished_count, -- rows that were gone there and got a tombstone
        reappeared_count, -- rows that were there again and lost their tombstone
        in_flight, -- differences left to the next run because the account changed meanwhile; null = none
        calls_count, -- requests spent on comparing and repairing
        observed_at -- the server's time of the observation, UTC
    from reconciliation
)

select * from final
order by observed_at, run_id, stream
