-- grain: one row per campaign that somebody belongs to; campaign_id 0 = without a campaign
-- reads: intermediate.int_people, intermediate.int_referrers
-- money: none
-- time: none
-- materialized: table
-- Counts of each campaign's people by role, for every mart that compares campaigns. Each person counts
-- in their own campaign, a referrer too.

with people as (
    select * from intermediate.int_people
),

referrers as (
    select * from intermediate.int_referrers
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

referrers_per_campaign as (
    select
        campaign_id,
        count(*) as referrers_count
    from referrers
    group by campaign_id
),

final as (
    select
        people_per_campaign.campaign_id,
        people_per_campaign.users_count,
        coalesce(referrers_per_campaign.referrers_count, 0) as referrers_count,
        people_per_campaign.referrals_count,
        people_per_campaign.qualified_count,
        people_per_campaign.unsubscribed_count
    from people_per_campaign
    left join referrers_per_campaign on people_per_campaign.campaign_id = referrers_per_campaign.campaign_id
)

select * from final
