-- grain: one row per reward definition and version
-- reads: raw.rewards
-- money: reward_value in whatever the reward type is counted in; the API names no currency
-- time: UTC; seen_from_at is in the interval, seen_until_at is not; null = this version holds now
-- Every version of every reward definition that a complete list has shown.

with source as (
    select * from raw.rewards
),

final as (
    select
        id as reward_id,
        campaign_id,
        name,
        reward_for,
        type as reward_type,
        when_referral,
        value as reward_value,
        _extra as extra,
        _fetched_at as fetched_at,
        timezone('UTC', cast(_dlt_valid_from as timestamptz)) as seen_from_at,
        timezone('UTC', cast(_dlt_valid_to as timestamptz)) as seen_until_at
    from source
)

select * from final
