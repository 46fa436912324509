-- grain: one row per run and stream
-- key: run_id, stream
-- reads: staging.stg_reconciliation, staging.stg_runs
-- money: none
-- time: UTC, without a zone, the server's
-- How each run compared the loaded rows with the account: method, differences and repair. A run that still has a
-- difference although the account does not change fails and publishes nothing; its row appears with the next publication.
-- answers: Do the rows equal the account's? Which changes had no date, and how were they found? How many calls did it cost?
-- wrong: counts show neither differences that cancel each other out nor changes of names, addresses and the API's own
-- counters; these are in changed_count of the run that reads the rows again.

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
        reconciliation.compared_by, -- list: every row, in a complete list; counts: totals and flags; null: part of another stream
        reconciliation.upto_id, -- largest id that was counted, so that newer rows do not count as a difference; null = all rows
        reconciliation.api_count, -- rows that the API reports after the repair
        reconciliation.our_count, -- rows in the load file, up to the same id
        reconciliation.differences_found, -- which counts differed before the repair, in words; null = none
        reconciliation.repaired_by, -- ids, referrers (of these), refresh (rows seen longest ago) or sweep (all rows); null = nothing
        reconciliation.missing_count, -- rows that were missing and were fetched
        reconciliation.changed_count, -- rows that had changed and were refreshed
        reconciliation.vanished_count, -- rows that were deleted in the account and got a tombstone
        reconciliation.reappeared_count, -- rows that reappeared and lost their tombstone
        reconciliation.in_flight, -- differences left to the next run because the account changed meanwhile; null = none
        coalesce(runs.status = 'failed', false)
            as is_contradiction, -- true: the differences remained although nothing changed, so the run failed
        reconciliation.calls_count, -- requests for comparison and repair
        reconciliation.observed_at -- the server's time of the observation, UTC
    from reconciliation
    left join runs on reconciliation.run_id = runs.run_id
)

select * from final
order by observed_at, run_id, stream
