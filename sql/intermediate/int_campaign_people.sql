-- grain: one row per campaign that somebody belongs to; campaign_id 0 = without a campaign
-- reads: intermediate.int_people, intermediate.int_referrers, intermediate.int_rewarded_people
-- money: none
-- time: none
-- materialized: table
-- Counts of each campaign's people by role, for every mart that compares campaigns. Each person counts
-- in their own campaign, a referrer too. Each stage of a journey (marts.referral_funnel) is a part of the one before:
-- successful referrers are referrers with a qualified referral, and only they can be rewarded referrers; only qualified
-- referrals can be rewarded ones.

with people as (
    select * from intermediate.int_people
),

referrers as (
    select * from intermediate.int_referrers
),

rewarded as (
    select * from intermediate.int_rewarded_people
),

people_per_campaign as (
    select
        campaign_id,
        count(*) as users_count,
        count(*) filter (where is_referral) as referrals_count,
        count(*) filter (where is_qualified_referral) as qualified_count,
        count(*) filter (where is_unsubscribed) as unsubscribed_count
    from people
    group by campaign_id
),

rewarded_per_campaign as (
    select
        people.campaign_id,
        count(*) as rewarded_referrals_count
    from people
    inner join rewarded on people.user_id = rewarded.user_id
    where people.is_qualified_referral and rewarded.is_rewarded_referral
    group by people.campaign_id
),

referrers_per_campaign as (
    select
        referrers.campaign_id,
        count(*) as referrers_count,
        count(*) filter (where not referrers.is_referral) as uninvited_referrers_count,
        count(*) filter (where referrers.qualified_count > 0) as successful_referrers_count,
        count(*) filter (where referrers.qualified_count > 0 and rewarded.is_rewarded_referrer) as rewarded_referrers_count
    from referrers
    left join rewarded on referrers.user_id = rewarded.user_id
    group by referrers.campaign_id
),

final as (
    select
        people_per_campaign.campaign_id,
        people_per_campaign.users_count,
        people_per_campaign.users_count - people_per_campaign.referrals_count as uninvited_users_count,
        coalesce(referrers_per_campaign.referrers_count, 0) as referrers_count,
        coalesce(referrers_per_campaign.uninvited_referrers_count, 0) as uninvited_referrers_count,
        coalesce(referrers_per_campaign.successful_referrers_count, 0) as successful_referrers_count,
        coalesce(referrers_per_campaign.rewarded_referrers_count, 0) as rewarded_referrers_count,
        people_per_campaign.referrals_count,
        people_per_campaign.qualified_count,
        coalesce(rewarded_per_campaign.rewarded_referrals_count, 0) as rewarded_referrals_count,
        people_per_campaign.unsubscribed_count
    from people_per_campaign
    left join referrers_per_campaign on people_per_campaign.campaign_id = referrers_per_campaign.campaign_id
    left join rewarded_per_campaign on people_per_campaign.campaign_id = rewarded_per_campaign.campaign_id
)

select * from final
