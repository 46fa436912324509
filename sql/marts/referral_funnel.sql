-- grain: one row per campaign and stage
-- key: campaign_id, stage
-- metrics: none
-- reads: core.campaigns, intermediate.int_campaign_people, intermediate.int_campaign_rewards
-- money: none
-- time: as of the time of the data (as_of_at)
-- Two journeys of people per campaign, which must not be compared with each other. Advocates: users (the people in the
-- campaign now), of these referrers (with at least one referral), of these successful referrers (with at least one
-- qualified referral), of these rewarded referrers (who were issued a reward for referring). Friends: referrals (users
-- who were invited), of these qualified (who did what the campaign wants), of these rewarded referrals (who were issued a
-- reward for the person invited). Each stage is a part of the one before it, so a share is never above 1.
-- referrals_per_referrer connects the journeys. Four stages belong to no journey and have no share: reach (views of pages
-- and links) before them; rewards due, in process and issued (states of rewards, not steps) after them.
-- answers: At which stage are advocates lost, at which friends? How many friends does an advocate bring? Who was
-- rewarded?
-- wrong: a stage is today's state, not a cohort: people who joined yesterday had no time to qualify. Rewarded means that
-- a reward was issued; rewards due or in process do not count. A reward for joining counts, but only for a qualified
-- referral: a person who was rewarded and un-qualified later is in no rewarded stage. Rewards that name neither role
-- (reward_for) are in the last three stages only. If a campaign rewards one side only, the rewarded stage of the other
-- side is 0.

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
        coalesce(people.successful_referrers_count, 0) as successful_referrers_count,
        coalesce(people.rewarded_referrers_count, 0) as rewarded_referrers_count,
        coalesce(people.referrals_count, 0) as referrals_count,
        coalesce(people.qualified_count, 0) as qualified_count,
        coalesce(people.rewarded_referrals_count, 0) as rewarded_referrals_count,
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
        unnest([ -- noqa: AL03
            { 'stage_order': 1, 'journey': 'reach', 'stage': 'reach', 'stage_count': reach },
            { 'stage_order': 2, 'journey': 'advocates', 'stage': 'users', 'stage_count': users_count },
            { 'stage_order': 3, 'journey': 'advocates', 'stage': 'referrers', 'stage_count': referrers_count },
            { 'stage_order': 4, 'journey': 'advocates', 'stage': 'successful referrers', 'stage_count': successful_referrers_count },
            { 'stage_order': 5, 'journey': 'advocates', 'stage': 'rewarded referrers', 'stage_count': rewarded_referrers_count },
            { 'stage_order': 6, 'journey': 'friends', 'stage': 'referrals', 'stage_count': referrals_count },
            { 'stage_order': 7, 'journey': 'friends', 'stage': 'qualified', 'stage_count': qualified_count },
            { 'stage_order': 8, 'journey': 'friends', 'stage': 'rewarded referrals', 'stage_count': rewarded_referrals_count },
            { 'stage_order': 9, 'journey': 'rewards', 'stage': 'rewards due', 'stage_count': due_count },
            { 'stage_order': 10, 'journey': 'rewards', 'stage': 'in process', 'stage_count': in_process_count },
            { 'stage_order': 11, 'journey': 'rewards', 'stage': 'issued', 'stage_count': issued_count }
        ], max_depth := 2),
        referrers_count
    from counted
),

compared as (
    select
        *,
        case when journey in ('advocates', 'friends') then lag(stage) over journeys end as previous_stage,
        case when journey in ('advocates', 'friends') then lag(stage_count) over journeys end as previous_count,
        case when journey in ('advocates', 'friends') then first_value(stage_count) over journeys end as first_count
    from stages
    window journeys as (partition by campaign_id, journey order by stage_order)
),

final as (
    select
        campaign_id, -- campaign; 0 = no campaign
        campaign_name, -- name in the dashboard
        stage_order, -- 1 to 11, the order of the stages
        journey, -- advocates (people who refer), friends (people who are invited); reach and rewards are not people
        stage, -- reach; users to rewarded referrers; referrals, qualified, rewarded referrals; rewards due, in process, issued
        stage_count, -- views for reach, people for advocates and friends, rewards for the last three
        previous_stage, -- stage before it in the same journey; null = the first of a journey, or no people
        previous_count, -- people in previous_stage
        stage_count / nullif(previous_count, 0)
            as share_of_previous, -- stage_count / previous_count; null without a previous stage, or if previous_count is 0
        first_count, -- people in the first stage of the journey: users or referrals
        stage_count / nullif(first_count, 0)
            as share_of_first, -- stage_count / first_count; null if first_count is 0 or the stage is in no journey
        case when stage = 'referrals' then referrers_count end
            as referrers_count, -- on the row of the referrals: the referrers of the campaign; null on all other rows
        case when stage = 'referrals' then stage_count / nullif(referrers_count, 0) end
            as referrals_per_referrer -- stage_count / referrers_count: on the row of the referrals; null without referrers
    from compared
)

select * from final
order by campaign_id, stage_order
