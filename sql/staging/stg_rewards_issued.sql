-- grain: one row per reward issued and version
-- reads: raw.rewards_issued
-- money: issued_value and reward_value in whatever the reward type is counted in; the API names no currency
-- time: UTC; seen_from_at is in the interval, seen_until_at is not; null = this version holds now
-- Every version of every row of the list of rewards issued; a row that leaves the list keeps its last version.

with source as (
    select * from raw.rewards_issued
),

final as (
    select
        id as issued_id,
        reward_id,
        recipient_id,
        reward_for,
        reward_type,
        reward_when_referral as when_referral,
        status,
        total_due as issued_count,
        total_value as issued_value,
        reward_value,
        issued_at,
        _extra as extra,
        _fetched_at as fetched_at,
        timezone('UTC', cast(_dlt_valid_from as timestamptz)) as seen_from_at,
        timezone('UTC', cast(_dlt_valid_to as timestamptz)) as seen_until_at
    from source
)

select * from final
