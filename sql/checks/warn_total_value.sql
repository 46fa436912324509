-- rule: the total of a reward row is its count times its price
-- reads: intermediate.int_reward_versions
-- The vendor may round a total or grant another amount; the API's total is used. Rewards counted in percent are left out:
-- their price is a rate.

with versions as (
    select * from intermediate.int_reward_versions
),

final as (
    select
        'rewards_' || list_name as stream,
        record_id as row_id,
        given_count,
        given_value,
        reward_value
    from versions
    where
        seen_until_at is null
        and not is_percent
        and given_value is not null
        and given_count is not null
        and reward_value is not null
        -- a product beyond 38 digits is no total
        and given_value is distinct from try(given_count * reward_value)
)

select * from final
