-- grain: one row per run that observed anything
-- reads: staging.stg_runs, staging.stg_run_streams
-- money: none
-- time: UTC, the server's; from the first to the last response of a run
-- materialized: table
-- Which observations belong together. Movements can be computed only where one run read both reward lists: due
-- completely, issued incrementally or completely. Such a run is a sync point. Changes that another run saw in one list
-- alone wait for the next sync point; otherwise every issued reward would first look reversed. sync_no is null until
-- then. changes_from_at: the time from which the changes that a run found hold: the beginning of the run, but later than
-- the run before. The server's clock counts seconds: where two runs have the same time, they are in the order of this
-- machine's clock and the second is a microsecond later. changes_until_at: the exclusive end of the times that belong to
-- the run, one second after its last response.

with runs as (
    select * from staging.stg_runs
),

run_streams as (
    select * from staging.stg_run_streams
),

observed as (
    select
        run_id,
        started_at,
        observed_at,
        false as has_due,
        false as has_issued
    from runs
    union all
    select
        run_id,
        null as started_at,
        observed_at,
        stream = 'rewards_due' and is_complete as has_due,
        stream = 'rewards_issued' as has_issued
    from run_streams
),

per_run as (
    select
        run_id,
        min(observed_at) as run_started_at,
        max(observed_at) as run_ended_at,
        max(started_at) as started_at,
        coalesce(bool_or(has_due), false) and coalesce(bool_or(has_issued), false) as is_sync_point
    from observed
    where observed_at is not null
    group by run_id
),

numbered as (
    select
        *,
        row_number() over (order by run_started_at, run_ended_at, started_at, run_id) as run_no
    from per_run
),

with_next as (
    select
        *,
        greatest(
            run_started_at, lag(run_ended_at) over (order by run_no) + interval 1 microsecond
        ) - run_no * interval 1 microsecond as begins_at,
        min(case when is_sync_point then run_no end) over (
            order by run_no rows between current row and unbounded following
        ) as sync_run_no
    from numbered
),

final as (
    select
        with_next.run_no,
        with_next.run_id,
        with_next.run_started_at,
        with_next.run_ended_at,
        max(with_next.begins_at) over (order by with_next.run_no rows unbounded preceding)
        + with_next.run_no * interval 1 microsecond as changes_from_at,
        with_next.run_ended_at + interval 1 second as changes_until_at,
        with_next.is_sync_point,
        sync_run.run_ended_at as sync_at,
        case when sync_run.run_no is not null then dense_rank() over (order by with_next.sync_run_no) end as sync_no
    from with_next
    left join numbered as sync_run on with_next.sync_run_no = sync_run.run_no
)

select * from final
