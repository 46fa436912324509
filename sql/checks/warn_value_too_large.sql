-- rule: where a reward row gives no total, its count times its price is less than 10^24
-- reads: intermediate.int_reward_versions
-- No sum could be relied on to hold more than that. Such a row has no value in core and none in the balances; its count
-- is counted.

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
