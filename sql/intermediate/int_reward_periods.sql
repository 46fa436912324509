-- grain: one row per reward definition and period in which its campaign, its type and the settings stayed the same
-- reads: staging.stg_rewards, staging.stg_rewards_due, staging.stg_rewards_issued, intermediate.int_sync_points,
--   intermediate.int_unit_periods
-- money: none
-- time: UTC; valid_from_at is in the period, valid_until_at is not; the first period has no beginning, the last no end
-- materialized: table
-- Which campaign a reward definition belonged to at a time, which type it had, and which version of the setting of units
-- held (settings_no). What the first sync saw is applied to all earlier times; what the last sync saw holds until now,
-- also if the definition was deleted. A change holds from the beginning of the run that saw it, so that the reward lists
-- and the definitions of one run are always of the same period. Rewards without a definition, and reward_id 0 for rows
-- that name none, have the periods of the settings.

with rewards as (
    select * from staging.stg_rewards
),

runs as (
    select * from intermediate.int_sync_points
),

unit_periods as (
    select * from intermediate.int_unit_periods
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
            when begun.seen_from_at < runs.changes_until_at then least(begun.seen_from_at, runs.changes_from_at)
            else begun.seen_from_at
        end as valid_from_at
    from begun
    asof left join runs on begun.seen_from_at >= runs.run_started_at
),

listed as (
    select coalesce(reward_id, 0) as reward_id from staging.stg_rewards_due
    union
    select coalesce(reward_id, 0) as reward_id from staging.stg_rewards_issued
),

defined as (
    select
        *,
        coalesce(
            lead(valid_from_at) over (partition by reward_id order by valid_from_at), timestamp 'infinity'
        ) as valid_until_at
    from dated
    union all by name
    select
        listed.reward_id,
        null as campaign_id,
        null as reward_type,
        timestamp '-infinity' as valid_from_at,
        timestamp 'infinity' as valid_until_at
    from listed
    anti join rewards on listed.reward_id = rewards.reward_id
),

final as (
    select
        defined.reward_id,
        defined.campaign_id,
        defined.reward_type,
        unit_periods.settings_no,
        greatest(defined.valid_from_at, unit_periods.valid_from_at) as valid_from_at,
        least(defined.valid_until_at, unit_periods.valid_until_at) as valid_until_at
    from defined
    inner join unit_periods
        on
            defined.valid_from_at < unit_periods.valid_until_at
            and defined.valid_until_at > unit_periods.valid_from_at
)

select * from final
