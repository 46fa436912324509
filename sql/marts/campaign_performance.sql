-- grain: one row per campaign; campaign_id 0 has all rows without a campaign
-- key: campaign_id
-- references: reward_unit core.units
-- metrics: reach, users_count, uninvited_users_count, referrers_count, successful_referrers_count, referrals_count,
--   qualified_count, unsubscribed_count, user_participation_rate, uninvited_participation_rate, referrals_per_user,
--   referrals_per_referrer, conversion_rate, mature_conversion_rate, new_users_7d_count, new_referrals_7d_count,
--   qualified_7d_count, new_users_28d_count, new_referrals_28d_count, qualified_28d_count
-- reads: core.campaigns, intermediate.int_people, intermediate.int_campaign_people, intermediate.int_campaign_rewards,
--   intermediate.int_build_clock
-- money: values only where all rewards of the campaign share one unit, else null (reward_unit says which)
-- time: UTC, without a zone; 7 and 28 days count back from the time of the data (as_of_at)
-- The current people, rates, trends and rewards of each campaign. Deleted people (deleted_at) are not counted, as in the
-- API's own counts. A referrer is a user with at least one referral; a referral is a user who was invited; qualified
-- counts referrals. A trend compares the last 7 or 28 days with as many days before them: 0.25 is a quarter more, -1 is a
-- fall to zero. Referrals are mature when they joined at least median_days_to_qualify ago. mature_conversion_rate leaves
-- out younger ones, because most of those who will qualify have not had the time.
-- answers: Which campaign brings people who convert? How long does it take? What does a qualified referral cost?
-- Is it growing?
-- wrong: referrals_per_user is a proxy of the viral K: K is invitations sent per user times their acceptance, and the API
-- counts no invitations, only those who came. Days to qualify include only referrals who have qualified: in a young or
-- growing campaign the slow ones are still missing, so the median is too low and mature_conversion_rate leaves out too
-- few referrals. Half of those who qualify do so later than the median, so mature_conversion_rate is too low even where
-- the median is right. Where nobody has qualified (or not with both dates) there is no median: nothing is mature, and its
-- three columns are null. A referral without a joining date is never mature. The cost per qualified referral leaves out
-- all that is not a reward (fees, advertising, work), discounts of coupons, reversed rewards and what may still fall due;
-- it includes rewards for joining. The campaign of a referrer and of the referrals may differ; each is counted in its
-- own, so referrals_per_referrer may count referrals of referrers in another campaign.

with campaigns as (
    select * from core.campaigns
),

people as (
    select * from intermediate.int_people
),

people_per_campaign as (
    select * from intermediate.int_campaign_people
),

rewards as (
    select * from intermediate.int_campaign_rewards
),

clock as (
    select * from intermediate.int_build_clock
),

days_to_qualify as (
    select
        campaign_id,
        quantile_cont(date_diff('second', joined_at, qualified_at) / 86400.0, [0.5, 0.9]) as days
    from people
    where is_qualified_referral
    group by campaign_id
),

-- The age is compared in seconds: adding an interval to a date far out of range would exceed the timestamp type.
mature_per_campaign as (
    select
        people.campaign_id,
        count(*) as mature_referrals_count,
        count(*) filter (where people.is_qualified_referral) as mature_qualified_count
    from people
    cross join clock
    inner join days_to_qualify on people.campaign_id = days_to_qualify.campaign_id
    where
        people.is_referral
        and date_diff('second', people.joined_at, clock.as_of_at) / 86400.0 >= greatest(days_to_qualify.days[1], 0)
    group by people.campaign_id
),

events as (
    select
        campaign_id,
        'user' as what,
        joined_at as happened_at
    from people
    union all
    select
        campaign_id,
        'referral' as what,
        joined_at as happened_at
    from people
    where is_referral
    union all
    select
        campaign_id,
        'qualified' as what,
        qualified_at as happened_at
    from people
    where is_qualified_referral
),

-- A window is open at its start: what happened exactly 7 days ago belongs to the 7 days before.
recent as (
    select
        events.campaign_id,
        events.what,
        events.happened_at > clock.as_of_at - interval 7 days as is_last_7d,
        events.happened_at > clock.as_of_at - interval 14 days and not is_last_7d as is_previous_7d,
        events.happened_at > clock.as_of_at - interval 28 days as is_last_28d
    from events
    cross join clock
    where
        events.happened_at > clock.as_of_at - interval 56 days
        -- events that the account dates in the future are in no window
        and events.happened_at <= clock.as_of_at + interval 1 day
),

recent_per_campaign as (
    select
        campaign_id,
        count(*) filter (where what = 'user' and is_last_7d) as new_users_7d_count,
        count(*) filter (where what = 'user' and is_previous_7d) as new_users_previous_7d_count,
        count(*) filter (where what = 'user' and is_last_28d) as new_users_28d_count,
        count(*) filter (where what = 'user' and not is_last_28d) as new_users_previous_28d_count,
        count(*) filter (where what = 'referral' and is_last_7d) as new_referrals_7d_count,
        count(*) filter (where what = 'referral' and is_previous_7d) as new_referrals_previous_7d_count,
        count(*) filter (where what = 'referral' and is_last_28d) as new_referrals_28d_count,
        count(*) filter (where what = 'referral' and not is_last_28d) as new_referrals_previous_28d_count,
        count(*) filter (where what = 'qualified' and is_last_7d) as qualified_7d_count,
        count(*) filter (where what = 'qualified' and is_previous_7d) as qualified_previous_7d_count,
        count(*) filter (where what = 'qualified' and is_last_28d) as qualified_28d_count,
        count(*) filter (where what = 'qualified' and not is_last_28d) as qualified_previous_28d_count
    from recent
    group by campaign_id
),

rewards_per_campaign as (
    select
        campaign_id,
        sum(due_count) as due_count,
        sum(in_process_count) as in_process_count,
        sum(issued_count) as issued_count,
        case when count(unit) = 1 then any_value(unit) end as reward_unit,
        case when count(unit) = 1 then coalesce(sum(owed_value), 0) end as owed_value,
        case when count(unit) = 1 then coalesce(sum(issued_value), 0) end as issued_value
    from rewards
    group by campaign_id
),

campaign_ids as (
    select campaign_id from campaigns
    union
    select campaign_id from people_per_campaign
    union
    select campaign_id from rewards_per_campaign
),

joined as (
    select
        campaign_ids.campaign_id,
        campaigns.* exclude (campaign_id),
        rewards_per_campaign.reward_unit,
        rewards_per_campaign.owed_value,
        rewards_per_campaign.issued_value,
        days_to_qualify.days[1] as median_days_to_qualify,
        days_to_qualify.days[2] as p90_days_to_qualify,
        case when days_to_qualify.days[1] is not null then coalesce(mature_per_campaign.mature_referrals_count, 0) end
            as mature_referrals_count,
        case when days_to_qualify.days[1] is not null then coalesce(mature_per_campaign.mature_qualified_count, 0) end
            as mature_qualified_count,
        coalesce(people_per_campaign.users_count, 0) as users_count,
        coalesce(people_per_campaign.uninvited_users_count, 0) as uninvited_users_count,
        coalesce(people_per_campaign.referrers_count, 0) as referrers_count,
        coalesce(people_per_campaign.uninvited_referrers_count, 0) as uninvited_referrers_count,
        coalesce(people_per_campaign.successful_referrers_count, 0) as successful_referrers_count,
        coalesce(people_per_campaign.rewarded_referrers_count, 0) as rewarded_referrers_count,
        coalesce(people_per_campaign.referrals_count, 0) as referrals_count,
        coalesce(people_per_campaign.qualified_count, 0) as qualified_count,
        coalesce(people_per_campaign.rewarded_referrals_count, 0) as rewarded_referrals_count,
        coalesce(people_per_campaign.unsubscribed_count, 0) as unsubscribed_count,
        coalesce(recent_per_campaign.new_users_7d_count, 0) as new_users_7d_count,
        coalesce(recent_per_campaign.new_users_previous_7d_count, 0) as new_users_previous_7d_count,
        coalesce(recent_per_campaign.new_users_28d_count, 0) as new_users_28d_count,
        coalesce(recent_per_campaign.new_users_previous_28d_count, 0) as new_users_previous_28d_count,
        coalesce(recent_per_campaign.new_referrals_7d_count, 0) as new_referrals_7d_count,
        coalesce(recent_per_campaign.new_referrals_previous_7d_count, 0) as new_referrals_previous_7d_count,
        coalesce(recent_per_campaign.new_referrals_28d_count, 0) as new_referrals_28d_count,
        coalesce(recent_per_campaign.new_referrals_previous_28d_count, 0) as new_referrals_previous_28d_count,
        coalesce(recent_per_campaign.qualified_7d_count, 0) as qualified_7d_count,
        coalesce(recent_per_campaign.qualified_previous_7d_count, 0) as qualified_previous_7d_count,
        coalesce(recent_per_campaign.qualified_28d_count, 0) as qualified_28d_count,
        coalesce(recent_per_campaign.qualified_previous_28d_count, 0) as qualified_previous_28d_count,
        coalesce(rewards_per_campaign.due_count, 0) as due_count,
        coalesce(rewards_per_campaign.in_process_count, 0) as in_process_count,
        coalesce(rewards_per_campaign.issued_count, 0) as issued_count
    from campaign_ids
    left join campaigns on campaign_ids.campaign_id = campaigns.campaign_id
    left join people_per_campaign on campaign_ids.campaign_id = people_per_campaign.campaign_id
    left join days_to_qualify on campaign_ids.campaign_id = days_to_qualify.campaign_id
    left join mature_per_campaign on campaign_ids.campaign_id = mature_per_campaign.campaign_id
    left join recent_per_campaign on campaign_ids.campaign_id = recent_per_campaign.campaign_id
    left join rewards_per_campaign on campaign_ids.campaign_id = rewards_per_campaign.campaign_id
),

-- Whole cents in whole numbers: a quotient of decimals is a floating-point number, which loses cents from 10^14 on.
costed as (
    select
        *,
        case when reward_unit <> 'percent' then owed_value + issued_value end as cost_value,
        cast(trunc(cost_value) as hugeint) * 1000000 + cast((cost_value - trunc(cost_value)) * 1000000 as hugeint) as millionths,
        nullif(qualified_count, 0) * cast(10000 as hugeint) as divisor
    from joined
),

final as (
    select
        campaign_id, -- campaign; 0 = no campaign
        name as campaign_name, -- name in the dashboard; null = no list had the campaign
        status, -- launched, draft or paused
        is_live, -- whether people can join now
        deleted_at, -- first complete list without the campaign, UTC; null = still there
        coalesce(reach, 0) as reach, -- views of pages and links; not people, not unique
        users_count, -- people in the campaign now
        uninvited_users_count, -- of these, people who joined without an invitation: users_count less referrals_count
        referrers_count, -- of the users, people who have at least one referral
        uninvited_referrers_count, -- of the referrers, people who were not invited themselves
        successful_referrers_count, -- of the referrers, people who have at least one qualified referral
        rewarded_referrers_count, -- of the successful referrers, people who were issued a reward for referring
        referrals_count, -- of the users, people who were invited
        qualified_count, -- of the referrals, people who are qualified
        rewarded_referrals_count, -- of the qualified, people who were issued a reward for the person invited
        unsubscribed_count, -- people who refuse messages
        referrers_count / nullif(users_count, 0)
            as user_participation_rate, -- referrers_count / users_count: how many of all users refer; null without users
        uninvited_referrers_count / nullif(uninvited_users_count, 0)
            as uninvited_participation_rate, -- uninvited_referrers_count / uninvited_users_count: of those who were not invited
        referrals_count / nullif(users_count, 0)
            as referrals_per_user, -- referrals_count / users_count: a proxy of the viral K; null without users
        referrals_count / nullif(referrers_count, 0)
            as referrals_per_referrer, -- referrals_count / referrers_count: friends per advocate; null without referrers
        qualified_count / nullif(referrals_count, 0)
            as conversion_rate, -- qualified_count / referrals_count: of all referrals; null without referrals
        mature_referrals_count, -- referrals who joined at least median_days_to_qualify ago; null where nobody qualified
        mature_qualified_count, -- of these, qualified; null where nobody qualified
        mature_qualified_count / nullif(mature_referrals_count, 0)
            as mature_conversion_rate, -- mature_qualified_count / mature_referrals_count; null where nobody qualified
        median_days_to_qualify, -- median days from joining to qualifying, of qualified referrals
        p90_days_to_qualify, -- 90th percentile of the same
        new_users_7d_count, -- people who joined in the last 7 days
        new_users_previous_7d_count, -- people who joined in the 7 days before
        new_users_7d_count / nullif(new_users_previous_7d_count, 0) - 1
            as new_users_7d_trend, -- relative change between these two; null if the previous count is 0
        new_users_28d_count, -- people who joined in the last 28 days
        new_users_previous_28d_count, -- people who joined in the 28 days before
        new_users_28d_count / nullif(new_users_previous_28d_count, 0) - 1
            as new_users_28d_trend, -- relative change between these two; null if the previous count is 0
        new_referrals_7d_count, -- referrals who joined in the last 7 days
        new_referrals_previous_7d_count, -- referrals who joined in the 7 days before
        new_referrals_7d_count / nullif(new_referrals_previous_7d_count, 0) - 1
            as new_referrals_7d_trend, -- relative change between these two; null if the previous count is 0
        new_referrals_28d_count, -- referrals who joined in the last 28 days
        new_referrals_previous_28d_count, -- referrals who joined in the 28 days before
        new_referrals_28d_count / nullif(new_referrals_previous_28d_count, 0) - 1
            as new_referrals_28d_trend, -- relative change between these two; null if the previous count is 0
        qualified_7d_count, -- referrals whose present qualification is in the last 7 days
        qualified_previous_7d_count, -- the same in the 7 days before
        qualified_7d_count / nullif(qualified_previous_7d_count, 0) - 1
            as qualified_7d_trend, -- relative change between these two; null if the previous count is 0
        qualified_28d_count, -- referrals whose present qualification is in the last 28 days
        qualified_previous_28d_count, -- the same in the 28 days before
        qualified_28d_count / nullif(qualified_previous_28d_count, 0) - 1
            as qualified_28d_trend, -- relative change between these two; null if the previous count is 0
        due_count, -- rewards due now
        in_process_count, -- rewards in process now: in the issued list without a date, still owed
        issued_count, -- rewards issued so far, less issues taken back
        reward_unit, -- unit of the three values below; null = none or several units, which must not be added
        owed_value, -- value due and in process now; null where units differ
        issued_value, -- value issued so far, less issues taken back; null where units differ
        cast((millionths + sign(millionths) * (divisor // 2)) // divisor as decimal(38, 0)) * 0.01
            as cost_per_qualified_value -- (owed_value + issued_value) / qualified_count, to the cent: rewards alone, no other cost
    from costed
)

select * from final
order by campaign_id
