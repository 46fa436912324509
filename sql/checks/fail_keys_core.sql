-- rule: each row of core has its key, and no key is repeated
-- reads: core.campaigns, core.users, core.rewards, core.rewards_due, core.rewards_issued, core.coupons
-- A repeated key doubles every sum of a join on it.

with keys as (
    select
        'core.campaigns' as table_name,
        campaign_id as key_id
    from core.campaigns
    union all
    select
        'core.users' as table_name,
        user_id as key_id
    from core.users
    union all
    select
        'core.rewards' as table_name,
        reward_id as key_id
    from core.rewards
    union all
    select
        'core.rewards_due' as table_name,
        due_id as key_id
    from core.rewards_due
    union all
    select
        'core.rewards_issued' as table_name,
        issued_id as key_id
    from core.rewards_issued
    union all
    select
        'core.coupons' as table_name,
        coupon_id as key_id
    from core.coupons
),

final as (
    select
        table_name,
        key_id,
        count(*) as rows_count
    from keys
    group by table_name, key_id
    having count(*) > 1 or key_id is null
)

select * from final
