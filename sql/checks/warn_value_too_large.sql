-- rule: where a reward row has no total, its count times its price is less than 10^24
-- reads: intermediate.int_reward_versions
-- Sums of larger values might overflow. Such a row has no value in core and in the balances; its count is included.

with versions as (
    select * from intermediate.int_reward_versions
),

final as (
    select
        'rewards_' || list_name as stream,
        record_id,
        reward_id,
        recipient_id,
        total_count,
        reward_value
    from versions
    where total_value is null and seen_until_at is null
)

select * from final
