-- grain: one row per run and stream
-- reads: staging.stg_reconciliation, staging.stg_runs
-- money: none
-- time: UTC, without a zone, the server's
-- How each run proved that our rows are the account's: what was compared, what differed, how it was repaired. A run
-- that finds a difference which stays although nothing moves fails and publishes nothing; the next publication shows it.
-- answers: Do our rows equal the account's? What had changed without a date, and how was it found? What did it cost?
-- wrong: differences that cancel each other out in every count, and changes of names, addresses and the API's own
-- counters, show in no count; they are among changed_count of the sweep that finds them.

with reconciliation as (
    select * from staging.stg_reconciliation
),

runs as (
    select * from staging.stg_runs
),

final as (
    select
        reconciliation.run_id, -- id of the run
        reconciliation.stream, -- stream, e.g. users or rewards_due
        reconciliation.compared_by, -- list: every row, in a complete list; counts: totals and flags; null: rides on another stream
        reconciliation.upto_id, -- largest id that was counted, so that what arrived meanwhile is no difference; null = all were
        reconciliation.api_count, -- rows the API counted when it was over
        reconciliation.our_count, -- rows we held of them
        reconciliation.differences_found, -- which counts differed before the repair, in words; null = none
        reconciliation.repaired_by, -- ids: those that differed; referrers: referrals of some users; sweep: everything; null = nothing
        reconciliation.missing_count, -- rows that were missing here and were fetched
        reconciliation.changed_count, -- rows that had changed and were refreshed
        reconciliation.vanished_count, -- rows that were gone there and got a tombstone
        reconciliation.reappeared_count, -- rows that were there again and lost their tombstone
        reconciliation.in_flight, -- differences left to the next run because the account changed meanwhile; null = none
        coalesce(runs.status = 'failed', false)
            as is_contradiction, -- true: what was found stayed although nothing moved, so the run failed
        reconciliation.calls_count, -- requests spent on comparing and repairing
        reconciliation.observed_at -- the server's time of the observation, UTC
    from reconciliation
    left join runs on reconciliation.run_id = runs.run_id
)

select * from final
order by observed_at, run_id, stream
