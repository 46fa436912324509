-- grain: one row per recipient and period in a campaign, for recipients of rewards without a campaign of their own
-- reads: staging.stg_rewards_due, staging.stg_rewards_issued, staging.stg_users, intermediate.int_user_versions,
--   intermediate.int_sync_points, intermediate.int_reward_periods
-- money: none
-- time: UTC; valid_from_at is in the period, valid_until_at is not; -infinity = from the beginning, infinity = still
-- materialized: table
-- The campaign of a recipient over time. A reward whose definition has no campaign, or that has no definition, is in the
-- campaign of its recipient.

with due as (
    select * from staging.stg_rewards_due
),

issued as (
    select * from staging.stg_rewards_issued
),

users as (
    select * from staging.stg_users
),

user_versions as (
    select
        user_id,
        campaign_id,
        seen_from_at
    from intermediate.int_user_versions
),

runs as (
    select * from intermediate.int_sync_points
),

periods as (
    select * from intermediate.int_reward_periods
),

-- Few rewards have no campaign of their own; only their recipients are looked up among all users.
without_campaign as (
    select reward_id from periods
    where campaign_id is null
),

campaign_rewards as (
    select reward_id from periods
    anti join without_campaign on periods.reward_id = without_campaign.reward_id
),

recipients as (
    select due.recipient_id
    from due
    anti join campaign_rewards on due.reward_id = campaign_rewards.reward_id
    union
    select issued.recipient_id
    from issued
    anti join campaign_rewards on issued.reward_id = campaign_rewards.reward_id
),

-- A change of campaign holds from the beginning of the run that saw it, as for reward definitions.
compared as (
    select
        user_versions.*,
        lag(user_versions.campaign_id) over (
            partition by user_versions.user_id order by user_versions.seen_from_at
        ) as previous_campaign_id
    from user_versions
    semi join recipients on user_versions.user_id = recipients.recipient_id
),

changed as (
    select
        compared.user_id,
        compared.campaign_id,
        case
            when compared.seen_from_at < runs.changes_until_at
                then least(compared.seen_from_at, runs.changes_from_at)
            else compared.seen_from_at
        end as valid_from_at
    from compared
    asof left join runs on compared.seen_from_at >= runs.run_started_at
    where compared.campaign_id is distinct from compared.previous_campaign_id
),

final as (
    select
        users.user_id,
        users.campaign_id,
        timestamp '-infinity' as valid_from_at,
        timestamp 'infinity' as valid_until_at
    from users
    semi join recipients on users.user_id = recipients.recipient_id
    anti join user_versions on users.user_id = user_versions.user_id
    union all
    select
        user_id,
        campaign_id,
        valid_from_at,
        coalesce(
            lead(valid_from_at) over (partition by user_id order by valid_from_at), timestamp 'infinity'
        ) as valid_until_at
    from changed
)

select * from final
