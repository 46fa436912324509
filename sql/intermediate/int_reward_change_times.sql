-- grain: one row per time at which a reward list changed
-- reads: intermediate.int_reward_versions, intermediate.int_sync_points, staging.stg_observations
-- money: none
-- time: UTC, the server's
-- materialized: table
-- Which run saw a change, and at which sync point the change is booked. A time belongs to the first run that was
-- observing then; a time less than a second after a run belongs to that run (changes_until_at). Any other time is of a
-- run that stored rows and then failed: its changes wait for the next finished run, as do changes seen in one list alone,
-- because days that were already published must not change. previous_started_at is when the previous sync point began to
-- observe; null at the first.

with versions as (
    select * from intermediate.int_reward_versions
),

sync_points as (
    select * from intermediate.int_sync_points
),

observations as (
    select * from staging.stg_observations
),

change_times as (
    select seen_from_at as change_at from versions
    union
    select seen_until_at as change_at from versions
    where seen_until_at is not null
    union
    select observed_at as change_at from observations
    where stream = 'rewards_issued' and what in ('vanished', 'reappeared')
),

run_ends as (
    select
        run_ended_at,
        min_by(run_started_at, run_no) as run_started_at,
        min(run_no) as run_no
    from sync_points
    group by run_ended_at
),

first_run as (
    select min(run_no) as run_no from sync_points
),

placed as (
    select
        change_times.change_at,
        case when run_ends.run_started_at <= change_times.change_at then run_ends.run_no end as observing_run_no,
        case
            when change_times.change_at < begun.changes_until_at then begun.run_no
            else coalesce(begun.run_no + 1, first_run.run_no)
        end as nearest_run_no
    from change_times
    cross join first_run
    asof left join run_ends on change_times.change_at <= run_ends.run_ended_at
    asof left join sync_points as begun on change_times.change_at >= begun.changes_from_at
),

sync_starts as (
    select
        sync_no,
        run_started_at
    from sync_points
    where is_sync_point
),

final as (
    select
        placed.change_at,
        sync_points.run_no,
        sync_points.sync_no,
        sync_points.sync_at,
        previous.run_started_at as previous_started_at
    from placed
    left join sync_points on coalesce(placed.observing_run_no, placed.nearest_run_no) = sync_points.run_no
    left join sync_starts as previous on sync_points.sync_no = previous.sync_no + 1
)

select * from final
