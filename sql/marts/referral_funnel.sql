-- grain: one row per campaign and stage
-- reads: core.campaigns, intermediate.int_campaign_people, intermediate.int_campaign_rewards
-- money: none
-- time: as of the moment the warehouse is true for
-- From views to issued rewards, eight stages per campaign. Reach is views of pages and links, not people. Users are
-- the people in the campaign now; referrers are users with at least one referral; referrals are users who were
-- invited; qualified are referrals who did what the campaign wants; the three reward stages count rewards and are
-- states beside each other, each compared with the qualified referrals.
-- answers: Where do we lose people? How many invite others? How many rewards follow from a qualification?
-- wrong: a stage is today's state, not a cohort: who joined yesterday had no time to qualify. One qualification may
-- owe two rewards (to both people), so reward stages may be larger than qualified.

with campaigns as (
    select * from core.campaigns
),

people as (
    select * from intermediate.int_campaign_people
),

rewards as (
    select * from intermediate.int_campaign_rewards
),

rewards_per_campaign as (
    select
        campaign_id,
        sum(due_count) as due_count,
        sum(in_process_count) as in_process_count,
        sum(issued_count) as issued_count
    from rewards
    group by campaign_id
),

campaign_ids as (
    select campaign_id from campaigns
    union
    select campaign_id from people
    union
    select campaign_id from rewards_per_campaign
),

counted as (
    select
        campaign_ids.campaign_id,
        campaigns.name as campaign_name,
        coalesce(campaigns.reach, 0) as reach,
        coalesce(people.users_count, 0) as users_count,
        coalesce(people.referrers_count, 0) as referrers_count,
        coalesce(people.referrals_count, 0) as referrals_count,
        coalesce(people.qualified_count, 0) as qualified_count,
        coalesce(rewards_per_campaign.due_count, 0) as due_count,
        coalesce(rewards_per_campaign.in_process_count, 0) as in_process_count,
        coalesce(rewards_per_campaign.issued_count, 0) as issued_count
    from campaign_ids
    left join campaigns on campaign_ids.campaign_id = campaigns.campaign_id
    left join people on campaign_ids.campaign_id = people.campaign_id
    left join rewards_per_campaign on campaign_ids.campaign_id = rewards_per_campaign.campaign_id
),

stages as (
    select
        campaign_id,
        campaign_name,
        users_count,
        unnest([ -- noqa: AL03
            {
                'stage_order': 1, 'stage': 'reach', 'stage_count': reach,
                'previous_stage': null, 'previous_count': null
            },
            {
                'stage_order': 2, 'stage': 'users', 'stage_count': users_count,
                'previous_stage': 'reach', 'previous_count': reach
            },
            {
                'stage_order': 3, 'stage': 'referrers', 'stage_count': referrers_count,
                'previous_stage': 'users', 'previous_count': users_count
            },
            {
                'stage_order': 4, 'stage': 'referrals', 'stage_count': referrals_count,
                'previous_stage': 'referrers', 'previous_count': referrers_count
            },
            {
                'stage_order': 5, 'stage': 'qualified', 'stage_count': qualified_count,
                'previous_stage': 'referrals', 'previous_count': referrals_count
            },
            {
                'stage_order': 6, 'stage': 'rewards due', 'stage_count': due_count,
                'previous_stage': 'qualified', 'previous_count': qualified_count
            },
            {
                'stage_order': 7, 'stage': 'in process', 'stage_count': in_process_count,
                'previous_stage': 'qualified', 'previous_count': qualified_count
            },
            {
                'stage_order': 8, 'stage': 'issued', 'stage_count': issued_count,
                'previous_stage': 'qualified', 'previous_count': qualified_count
            }
        ], max_depth := 2)
    from counted
),

final as (
    select
        campaign_id, -- campaign; 0 = what names no campaign
        campaign_name, -- name in the dashboard
        stage_order, -- 1 to 8, the order of the stages
        stage, -- reach, users, referrers, referrals, qualified, rewards due, in process, issued
        stage_count, -- views for reach, people for users to qualified, rewards for the last three
        previous_stage, -- stage that share_of_previous compares with; qualified for all three reward stages
        stage_count / nullif(previous_count, 0) as share_of_previous, -- stage_count per previous_stage; null if that is 0
        case when stage_order > 1 then stage_count / nullif(users_count, 0) end
            as share_of_users -- stage_count per user; null for reach (views) and without users
    from stages
)

select * from final
order by campaign_id, stage_order
