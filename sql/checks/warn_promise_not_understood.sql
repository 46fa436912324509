-- rule: each reward definition has known values for who receives it and when
-- reads: intermediate.int_reward_promises
-- Rewards of other definitions count once the API lists them as due, but are not in marts.contingent_liability nor in the
-- estimated days of marts.reward_liability_daily.

with promises as (
    select * from intermediate.int_reward_promises
),

final as (
    select
        reward_id,
        campaign_id,
        reward_type
    from promises
    where valid_until_at is null and (recipient is null or falls_due is null)
)

select * from final
