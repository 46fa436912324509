-- rule: each row of core has its key, and no key is repeated
-- reads: core.campaigns, core.users, core.rewards, core.rewards_due, core.rewards_issued, core.coupons
-- A repeated key doubles every sum of a join on it.

with final as (
    select
        'core.campaigns' as table_name,
        campaign_id as key_id,
        count(*) as rows_count
    from core.campaigns
    group by campaign_id
    having count(*) > 1 or campaign_id is null
    union all
    select
        'core.users' as table_name,
        user_id as key_id,
        count(*) as rows_count
    from core.users
    group by user_id
    having count(*) > 1 or user_id is null
    union all
    select
        'core.rewards' as table_name,
        reward_id as key_id,
        count(*) as rows_count
    from core.rewards
    group by reward_id
    having count(*) > 1 or reward_id is null
    union all
    select
        'core.rewards_due' as table_name,
        due_id as key_id,
        count(*) as rows_count
    from core.rewards_due
    group by due_id
    having count(*) > 1 or due_id is null
    union all
    select
        'core.rewards_issued' as table_name,
        issued_id as key_id,
        count(*) as rows_count
    from core.rewards_issued
    group by issued_id
    having count(*) > 1 or issued_id is null
    union all
    select
        'core.coupons' as table_name,
        coupon_id as key_id,
        count(*) as rows_count
    from core.coupons
    group by coupon_id
    having count(*) > 1 or coupon_id is null
)

select * from final
