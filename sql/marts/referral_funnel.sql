-- grain: one row per campaign and stage
-- reads: marts.campaign_performance
-- money: none
-- time: as of the moment the warehouse is true for
-- From views to issued rewards, eight stages per campaign. Reach is views of pages and links, not people. Users are
-- the people in the campaign now; referrers are users with at least one referral; referrals are users who were
-- invited; qualified are referrals who did what the campaign wants; the three reward stages count rewards and are
-- states beside each other, each compared with the qualified referrals.
-- answers: Where do we lose people? How many invite others? How many rewards follow from a qualification?
-- wrong: a stage is today's state, not a cohort: who joined yesterday had no time to qualify. One qualification may
-- owe two rewards (to both people), so reward stages may be larger than qualified.

with performance as (
    select * from marts.campaign_performance
),

stages as (
    select
        campaign_id,
        campaign_name,
        users_count,
        unnest([1, 2, 3, 4, 5, 6, 7, 8]) as stage_order,
        unnest(
            ['reach', 'users', 'referrers', 'referrals', 'qualified', 'rewards due', 'in process', 'issued']
        ) as stage,
        unnest([reach, users_count, referrers_count, referrals_count, qualified_count, due_count, in_process_count, issued_count])
            as stage_count,
        unnest([null, 'reach', 'users', 'referrers', 'referrals', 'qualified', 'qualified', 'qualified']) as previous_stage,
        unnest([
            null, reach, users_count, referrers_count, referrals_count, qualified_count, qualified_count, qualified_count
        ]) as previous_count
    from performance
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
