-- grain: one row per reward definition
-- reads: staging.stg_rewards
-- money: reward_value as the API returns it
-- time: UTC; deleted_at is the first complete list without the reward
-- materialized: table
-- The last known version of each reward definition, including deleted ones.

with rewards as (
    select * from staging.stg_rewards
),

ranked as (
    select
        *,
        min(seen_from_at) over (partition by reward_id) as first_seen_at,
        row_number() over (
            partition by reward_id
            order by seen_until_at desc nulls first, seen_from_at desc
        ) as recency
    from rewards
),

final as (
    select
        reward_id,
        campaign_id,
        name,
        reward_for,
        reward_type,
        when_referral,
        reward_value,
        extra,
        first_seen_at,
        seen_until_at as deleted_at
    from ranked
    where recency = 1
)

select * from final
