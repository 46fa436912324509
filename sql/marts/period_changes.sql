-- grain: one row per campaign, day, measure and reason for which a day that was over has changed
-- reads: core.users, intermediate.int_user_versions, intermediate.int_day_closings
-- money: none; of rewards, marts.reward_ledger marks what corrects an earlier interval (restatement)
-- time: UTC, without a zone
-- What was published first of a day that was over, and what marts.referral_funnel_daily shows now, summed over its sources:
-- the restatements of people. A day is closed by the first sync that begins to read the users after its end. A measure
-- that is not here has not changed since. Over the reasons, first_published_count + the sum of change_count = current_count.
-- Reasons: seen late (the person was not known at the closing, but is dated earlier); un-qualified; qualified late (not
-- qualified at the closing, dated before it); subscribed again; unsubscribed late; reappeared (a deletion that did not
-- last); referrer changed (became or is no longer a referral); moved campaign; qualified again (the qualification has a
-- later date now); date changed (any other new date).
-- answers: Which closed days differ from what was reported? By how much, and why? When was it noticed?
-- wrong: the person has one reason, the first in that order, also where two apply. Who was un-qualified and qualified again
-- between two syncs is seen once, as qualified again. Changes are known from the version on that records them; what changed
-- before is taken to have been so all along. Several changes back and forth that cancel out leave no row. The day a
-- person joined does not change by their deletion, which has a day of its own. Sources are not told apart. Changes of
-- coupons have no record. A sync that finished but was not published counts as one.

with users as not materialized (
    select * from core.users
),

versions as (
    select * from intermediate.int_user_versions
),

closings as (
    select * from intermediate.int_day_closings
),

-- The places in the daily funnel that each version of a user has.
listed as (
    select
        user_id,
        version_no,
        campaign_id,
        unnest([ -- noqa: AL03
            { 'measure': 'new_users_count', 'happened_at': joined_at },
            { 'measure': 'new_referrals_count', 'happened_at': case when is_referral then joined_at end },
            { 'measure': 'qualified_count', 'happened_at': case when is_qualified and is_referral then qualified_at end },
            { 'measure': 'unsubscribed_count', 'happened_at': case when is_unsubscribed then unsubscribed_at end },
            { 'measure': 'deleted_count', 'happened_at': deleted_at }
        ], max_depth := 2)
    from versions
    where is_known
),

-- What is dated after the build is on its last day, which is not over.
placed as (
    select
        listed.user_id,
        listed.version_no,
        listed.campaign_id,
        listed.measure,
        greatest(cast(listed.happened_at as date), date '2000-01-01') as day_on
    from listed
    where listed.happened_at is not null
),

places as (
    select distinct
        user_id,
        campaign_id,
        measure,
        day_on
    from placed
),

closed as (
    select
        places.*,
        closings.closed_at
    from places
    asof inner join closings on places.day_on < closings.began_on
),

published as (
    select
        closed.*,
        versions.version_no as published_no
    from closed
    asof inner join versions on closed.user_id = versions.user_id and closed.closed_at >= versions.seen_from_at
),

current_versions as (
    select * from versions
    where is_current
),

counted as (
    select
        published.*,
        current_versions.version_no as current_no,
        coalesce(bool_or(placed.version_no = published.published_no), false) as was_counted,
        coalesce(bool_or(placed.version_no = current_versions.version_no), false) as is_counted
    from published
    inner join current_versions on published.user_id = current_versions.user_id
    inner join placed
        on
            published.user_id = placed.user_id
            and published.campaign_id = placed.campaign_id
            and published.measure = placed.measure
            and published.day_on = placed.day_on
    group by all
),

differing as (
    select
        *,
        row_number() over () as difference_no
    from counted
    where was_counted <> is_counted
),

-- The last version that was not yet counted as the current one is; the next one made the difference.
before_change as (
    select
        differing.difference_no,
        max(versions.version_no) as last_other_no
    from differing
    inner join versions on differing.user_id = versions.user_id
    left join placed
        on
            versions.user_id = placed.user_id
            and versions.version_no = placed.version_no
            and differing.campaign_id = placed.campaign_id
            and differing.measure = placed.measure
            and differing.day_on = placed.day_on
    where (placed.user_id is not null) <> differing.is_counted
    group by differing.difference_no
),

explained as (
    select
        differing.campaign_id,
        differing.day_on,
        differing.measure,
        differing.closed_at,
        changed.seen_from_at as changed_at,
        case when differing.is_counted then 1 else -1 end as change_count,
        case
            when not first_seen.is_known then 'seen late'
            when differing.measure = 'qualified_count' and first_seen.is_qualified and not latest.is_qualified then 'un-qualified'
            when differing.measure = 'qualified_count' and latest.is_qualified and not first_seen.is_qualified then 'qualified late'
            when differing.measure = 'unsubscribed_count' and first_seen.is_unsubscribed and not latest.is_unsubscribed
                then 'subscribed again'
            when differing.measure = 'unsubscribed_count' and latest.is_unsubscribed and not first_seen.is_unsubscribed
                then 'unsubscribed late'
            when
                differing.measure = 'deleted_count'
                and first_seen.deleted_at is not null
                and coalesce(first_seen.deleted_at <> latest.deleted_at, true)
                then 'reappeared'
            when
                differing.measure in ('new_referrals_count', 'qualified_count') and first_seen.is_referral <> latest.is_referral
                then 'referrer changed'
            when first_seen.campaign_id <> latest.campaign_id then 'moved campaign'
            when
                differing.measure = 'qualified_count'
                and not differing.is_counted
                and latest.qualified_at > first_seen.qualified_at
                then 'qualified again'
            else 'date changed'
        end as reason
    from differing
    inner join before_change on differing.difference_no = before_change.difference_no
    inner join versions as changed
        on differing.user_id = changed.user_id and before_change.last_other_no + 1 = changed.version_no
    inner join versions as first_seen
        on differing.user_id = first_seen.user_id and differing.published_no = first_seen.version_no
    inner join versions as latest
        on differing.user_id = latest.user_id and differing.current_no = latest.version_no
),

changes as (
    select
        campaign_id,
        day_on,
        measure,
        reason,
        any_value(closed_at) as closed_at,
        max(changed_at) as changed_at,
        cast(sum(change_count) as bigint) as change_count
    from explained
    group by campaign_id, day_on, measure, reason
    having sum(change_count) <> 0
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

now_shown as (
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
        changes.campaign_id, -- campaign; 0 = what names no campaign
        changes.day_on, -- day that was over, UTC
        changes.measure, -- column of marts.referral_funnel_daily, e.g. qualified_count
        changes.reason, -- why people are counted otherwise now; the description of the table lists the reasons
        cast(coalesce(now_shown.current_count, 0) - sum(changes.change_count) over measures as bigint)
            as first_published_count, -- what the day had at its closing; the same on each row of the day and measure
        changes.change_count, -- people who came to the day (or, if negative, left it) since, for this reason
        cast(coalesce(now_shown.current_count, 0) as bigint)
            as current_count, -- what the day has now; the same on each row of the day and measure
        changes.closed_at, -- end of the sync that closed the day, UTC
        changes.changed_at -- when a sync saw the latest of these changes, UTC
    from changes
    left join now_shown
        on
            changes.campaign_id = now_shown.campaign_id
            and changes.day_on = now_shown.day_on
            and changes.measure = now_shown.measure
    window measures as (partition by changes.campaign_id, changes.day_on, changes.measure)
)

select * from final
order by campaign_id, day_on, measure, reason
