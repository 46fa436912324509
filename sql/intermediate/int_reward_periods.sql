-- grain: one row per reward definition and period in which its campaign and its type stayed the same
-- reads: staging.stg_rewards, intermediate.int_sync_points
-- money: none
-- time: UTC; valid_from_at is in the period, valid_until_at is not; the first period has no beginning, the last no end
-- Which campaign a reward definition belonged to at a time, and which type it had. What the first look showed is taken
-- to have held before; what the last look showed holds on, also after the definition is gone. A change holds from the
-- beginning of the run that saw it, so that a run never sees the reward lists before a change and the definitions after.

with rewards as (
    select * from staging.stg_rewards
),

runs as (
    select
        run_started_at,
        run_ended_at,
        greatest(
            run_started_at, lag(run_ended_at) over (order by run_no) + interval 1 microsecond
        ) as changed_at
    from intermediate.int_sync_points
),

compared as (
    select
        *,
        lag(campaign_id) over versions as previous_campaign_id,
        lag(trim(reward_type)) over versions as previous_type,
        row_number() over versions as version_no
    from rewards
    window versions as (partition by reward_id order by seen_from_at)
),

begun as (
    select * from compared
    where
        version_no = 1
        or campaign_id is distinct from previous_campaign_id
        or trim(reward_type) is distinct from previous_type
),

dated as (
    select
        begun.reward_id,
        begun.campaign_id,
        trim(begun.reward_type) as reward_type,
        case
            when begun.version_no = 1 then timestamp '-infinity'
            when begun.seen_from_at <= runs.run_ended_at then least(begun.seen_from_at, runs.changed_at)
            else begun.seen_from_at
        end as valid_from_at
    from begun
    asof left join runs on begun.seen_from_at >= runs.run_started_at
),

final as (
    select
        *,
        coalesce(
            lead(valid_from_at) over (partition by reward_id order by valid_from_at), timestamp 'infinity'
        ) as valid_until_at
    from dated
)

select * from final
