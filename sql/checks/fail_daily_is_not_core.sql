-- rule: the days of a campaign's daily funnel add up to the counts of core and of the reward movements
-- reads: core.users, core.coupons, marts.referral_funnel_daily, marts.reward_ledger
-- Every dated event is on exactly one day, whatever its source. Returns the counts of core minus those of the days where
-- the difference is not zero.

with users as (
    select * from core.users
),

coupons as (
    select * from core.coupons
),

ledger as (
    select * from marts.reward_ledger
),

daily as (
    select * from marts.referral_funnel_daily
),

measures as (
    select
        coalesce(campaign_id, 0) as campaign_id,
        count(joined_at) as new_users_count,
        count(joined_at) filter (where referrer_id is not null) as new_referrals_count,
        count(qualified_at) filter (where is_qualified and referrer_id is not null) as qualified_count,
        count(unsubscribed_at) filter (where is_unsubscribed) as unsubscribed_count,
        count(deleted_at) as deleted_count
    from users
    group by coalesce(campaign_id, 0)
    union all by name
    select
        campaign_id,
        sum(accrued_count) as rewards_accrued_count,
        sum(issued_count) as rewards_issued_count,
        sum(reversed_count) as rewards_reversed_count
    from ledger
    group by campaign_id
    union all by name
    select
        coalesce(campaign_id, 0) as campaign_id,
        count(issued_at) as coupons_issued_count,
        count(used_at) as coupons_used_count
    from coupons
    group by coalesce(campaign_id, 0)
    union all by name
    select
        campaign_id,
        -new_users_count as new_users_count,
        -new_referrals_count as new_referrals_count,
        -qualified_count as qualified_count,
        -unsubscribed_count as unsubscribed_count,
        -deleted_count as deleted_count,
        -rewards_accrued_count as rewards_accrued_count,
        -rewards_issued_count as rewards_issued_count,
        -rewards_reversed_count as rewards_reversed_count,
        -coupons_issued_count as coupons_issued_count,
        -coupons_used_count as coupons_used_count
    from daily
),

differences as (
    select
        campaign_id,
        coalesce(sum(new_users_count), 0) as new_users_difference,
        coalesce(sum(new_referrals_count), 0) as new_referrals_difference,
        coalesce(sum(qualified_count), 0) as qualified_difference,
        coalesce(sum(unsubscribed_count), 0) as unsubscribed_difference,
        coalesce(sum(deleted_count), 0) as deleted_difference,
        coalesce(sum(rewards_accrued_count), 0) as rewards_accrued_difference,
        coalesce(sum(rewards_issued_count), 0) as rewards_issued_difference,
        coalesce(sum(rewards_reversed_count), 0) as rewards_reversed_difference,
        coalesce(sum(coupons_issued_count), 0) as coupons_issued_difference,
        coalesce(sum(coupons_used_count), 0) as coupons_used_difference
    from measures
    group by campaign_id
),

final as (
    select * from differences
    where
        new_users_difference <> 0
        or new_referrals_difference <> 0
        or qualified_difference <> 0
        or unsubscribed_difference <> 0
        or deleted_difference <> 0
        or rewards_accrued_difference <> 0
        or rewards_issued_difference <> 0
        or rewards_reversed_difference <> 0
        or coupons_issued_difference <> 0
        or coupons_used_difference <> 0
)

select * from final
