-- rule: the total of a reward row is its count times its price
-- reads: staging.stg_rewards_due, staging.stg_rewards_issued
-- The vendor may round or grant another amount; the total of the API is used.

with due as (
    select * from staging.stg_rewards_due
),

issued as (
    select * from staging.stg_rewards_issued
),

both_lists as (
    select
        'rewards_due' as stream,
        due_id as row_id,
        due_count as given_count,
        due_value as given_value,
        reward_value
    from due
    where seen_until_at is null
    union all
    select
        'rewards_issued' as stream,
        issued_id as row_id,
        issued_count as given_count,
        issued_value as given_value,
        reward_value
    from issued
    where seen_until_at is null
),

final as (
    select * from both_lists
    where
        given_value is not null
        and given_count is not null
        and reward_value is not null
        -- a product beyond 38 digits is no total
        and given_value is distinct from try(given_count * reward_value)
)

select * from final
