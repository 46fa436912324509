-- grain: one row per campaign, day, measure and reason for which a closed day has changed
-- key: campaign_id, day_on, measure, reason
-- metrics: change_count as restated_people_count
-- reads: core.users, intermediate.int_day_changes
-- money: none; for rewards, marts.reward_ledger marks corrections of earlier intervals (restatement)
-- time: UTC, without a zone
-- Restatements of counts of people: the count that was first published for a closed day, and the count that
-- marts.referral_funnel_daily shows now, summed over its sources. A day is closed by the first sync that begins to read
-- the users after its end. A day and measure without a row has not changed. first_published_count + the sum of
-- change_count over all reasons = current_count. Reasons: seen late (the person was not known at the closing, but is
-- dated earlier); un-qualified; qualified late (not qualified at the closing, dated before it); subscribed again;
-- unsubscribed late; reappeared (a deletion that was taken back); referrer changed (became or is no longer a referral);
-- moved campaign; qualified again (the qualification has a later date now); date changed (any other new date).
-- answers: Which closed days differ from what was reported? By how much, and why? When was it noticed?
-- wrong: each person has one reason, the first in that order that applies. A person who was un-qualified and qualified
-- again between two syncs counts once, as qualified again. Changes are recorded since the version of the loader that
-- introduced this; a change before it is treated as if the values had always been the present ones. Changes that cancel
-- each other out leave no row. A deletion does not change the day on which the person joined; it is counted on the day of
-- the deletion. Sources are not distinguished. Changes of coupons are not recorded. A sync that finished but was not
-- published counts as a publication.

with users as not materialized (
    select * from core.users
),

changes as (
    select * from intermediate.int_day_changes
),

changed_days as (
    select distinct
        campaign_id,
        day_on
    from changes
),

joined_now as (
    select
        coalesce(users.campaign_id, 0) as campaign_id,
        greatest(cast(users.joined_at as date), date '2000-01-01') as day_on,
        count(*) as new_users_count,
        count(users.referrer_id) as new_referrals_count
    from users
    where greatest(cast(users.joined_at as date), date '2000-01-01') in (select changed_days.day_on from changed_days)
    group by all
),

qualified_now as (
    select
        coalesce(users.campaign_id, 0) as campaign_id,
        greatest(cast(users.qualified_at as date), date '2000-01-01') as day_on,
        count(*) as qualified_count
    from users
    where
        users.is_qualified
        and users.referrer_id is not null
        and greatest(cast(users.qualified_at as date), date '2000-01-01') in (select changed_days.day_on from changed_days)
    group by all
),

unsubscribed_now as (
    select
        coalesce(users.campaign_id, 0) as campaign_id,
        greatest(cast(users.unsubscribed_at as date), date '2000-01-01') as day_on,
        count(*) as unsubscribed_count
    from users
    where
        users.is_unsubscribed
        and greatest(cast(users.unsubscribed_at as date), date '2000-01-01') in (select changed_days.day_on from changed_days)
    group by all
),

deleted_now as (
    select
        coalesce(users.campaign_id, 0) as campaign_id,
        cast(users.deleted_at as date) as day_on,
        count(*) as deleted_count
    from users
    where users.deleted_at is not null
    group by all
),

current_counts as (
    select
        campaign_id,
        day_on,
        'new_users_count' as measure,
        new_users_count as current_count
    from joined_now
    union all
    select
        campaign_id,
        day_on,
        'new_referrals_count' as measure,
        new_referrals_count as current_count
    from joined_now
    union all
    select
        campaign_id,
        day_on,
        'qualified_count' as measure,
        qualified_count as current_count
    from qualified_now
    union all
    select
        campaign_id,
        day_on,
        'unsubscribed_count' as measure,
        unsubscribed_count as current_count
    from unsubscribed_now
    union all
    select
        campaign_id,
        day_on,
        'deleted_count' as measure,
        deleted_count as current_count
    from deleted_now
),

final as (
    select
        changes.campaign_id, -- campaign; 0 = no campaign
        changes.day_on, -- closed day, UTC
        changes.measure, -- column of marts.referral_funnel_daily, e.g. qualified_count
        changes.reason, -- why people are counted differently now; the description of the table lists the reasons
        cast(coalesce(current_counts.current_count, 0) - sum(changes.change_count) over measures as bigint)
            as first_published_count, -- count of the day when it was closed; the same on each row of the day and measure
        changes.change_count, -- people added to the day since then for this reason; negative = removed
        cast(coalesce(current_counts.current_count, 0) as bigint)
            as current_count, -- count of the day now; the same on each row of the day and measure
        changes.closed_at, -- end of the sync that closed the day, UTC
        changes.changed_at -- when a sync saw the latest of these changes, UTC
    from changes
    left join current_counts
        on
            changes.campaign_id = current_counts.campaign_id
            and changes.day_on = current_counts.day_on
            and changes.measure = current_counts.measure
    window measures as (partition by changes.campaign_id, changes.day_on, changes.measure)
)

select * from final
order by campaign_id, day_on, measure, reason
