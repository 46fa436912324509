-- rule: referenced rows exist: campaigns, referrers, rewards, recipients, coupon holders
-- reads: core.campaigns, core.users, core.rewards, core.rewards_due, core.rewards_issued, core.coupons
-- The API can delete a row while others still reference it, so this is a warning. The referencing rows are counted;
-- what they reference has no name.

with campaigns as (
    select * from core.campaigns
),

users as (
    select * from core.users
),

rewards as (
    select * from core.rewards
),

referencing as (
    select
        'users.campaign_id' as relation,
        user_id as row_id,
        campaign_id as target_id,
        'campaign' as target
    from users
    union all
    select
        'users.referrer_id' as relation,
        user_id as row_id,
        referrer_id as target_id,
        'user' as target
    from users
    union all
    select
        'rewards.campaign_id' as relation,
        reward_id as row_id,
        campaign_id as target_id,
        'campaign' as target
    from rewards
    union all
    select
        'rewards_due.reward_id' as relation,
        due_id as row_id,
        reward_id as target_id,
        'reward' as target
    from core.rewards_due
    union all
    select
        'rewards_due.recipient_id' as relation,
        due_id as row_id,
        recipient_id as target_id,
        'user' as target
    from core.rewards_due
    union all
    select
        'rewards_issued.reward_id' as relation,
        issued_id as row_id,
        reward_id as target_id,
        'reward' as target
    from core.rewards_issued
    union all
    select
        'rewards_issued.recipient_id' as relation,
        issued_id as row_id,
        recipient_id as target_id,
        'user' as target
    from core.rewards_issued
    union all
    select
        'coupons.user_id' as relation,
        coupon_id as row_id,
        user_id as target_id,
        'user' as target
    from core.coupons
),

targets as (
    select
        'campaign' as target,
        campaign_id as target_id
    from campaigns
    union all
    select
        'user' as target,
        user_id as target_id
    from users
    union all
    select
        'reward' as target,
        reward_id as target_id
    from rewards
),

final as (
    select
        referencing.relation,
        referencing.row_id,
        referencing.target_id
    from referencing
    anti join targets on referencing.target = targets.target and referencing.target_id = targets.target_id
    where referencing.target_id is not null
)

select * from final
