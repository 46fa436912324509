-- rule: each reward that is owed or was issued has a value, or a price to compute it from
-- reads: intermediate.int_reward_versions
-- next: Enter the value of these rewards in the dashboard, if they are worth something; the next sync has it.
-- The lists have neither a total nor a price for these rows. They are counted, with a value of 0, in every sum.

with versions as (
    select * from intermediate.int_reward_versions
    where seen_until_at is null and given_value is null and reward_value is null and reward_state <> 'cancelled'
),

final as (
    select
        'rewards_' || list_name as stream,
        reward_type,
        unit,
        count(*) as rows_count,
        cast(sum(total_count) as decimal(38, 0)) as rewards_count
    from versions
    group by list_name, reward_type, unit
)

select * from final
