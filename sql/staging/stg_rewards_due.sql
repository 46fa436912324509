-- grain: one row per reward due and version
-- reads: raw.rewards_due
-- money: due_value and reward_value in whatever the reward type is counted in; the API names no currency
-- time: UTC; seen_from_at is in the interval, seen_until_at is not; null = this version holds now
-- Every version of every row of the list of rewards due; a row that left the list has a seen_until_at.

with source as (
    select * from raw.rewards_due
),

final as (
    select
        id as due_id,
        reward_id,
        recipient_id,
        reward_for,
        reward_type,
        reward_when_referral as when_referral,
        status,
        total_due as due_count,
        total_value as due_value,
        reward_value,
        issued_at,
        _extra as extra,
        _fetched_at as fetched_at,
        timezone('UTC', cast(_dlt_valid_from as timestamptz)) as seen_from_at,
        timezone('UTC', cast(_dlt_valid_to as timestamptz)) as seen_until_at
    from source
)

select * from final
