-- grain: one row per campaign, day, measure and reason for which a closed day has changed
-- reads: intermediate.int_user_versions, intermediate.int_day_closings
-- money: none
-- time: UTC; closed_at is when the day was closed, changed_at when the latest change was seen
-- materialized: table
-- How many people were added to or removed from a closed day of the daily funnel, and why. marts.period_changes documents
-- the reasons.

with versions as (
    select * from intermediate.int_user_versions
),

closings as (
    select * from intermediate.int_day_closings
),

-- The days and measures of the daily funnel in which each version of a user counts.
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

-- Events dated after the build count on its last day, which is not closed.
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

-- The last version that counts differently from the current one; the version after it made the change.
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
            when not as_published.is_known then 'seen late'
            when differing.measure = 'qualified_count' and as_published.is_qualified and not latest.is_qualified then 'un-qualified'
            when differing.measure = 'qualified_count' and latest.is_qualified and not as_published.is_qualified then 'qualified late'
            when differing.measure = 'unsubscribed_count' and as_published.is_unsubscribed and not latest.is_unsubscribed
                then 'subscribed again'
            when differing.measure = 'unsubscribed_count' and latest.is_unsubscribed and not as_published.is_unsubscribed
                then 'unsubscribed late'
            when
                differing.measure = 'deleted_count'
                and as_published.deleted_at is not null
                and coalesce(as_published.deleted_at <> latest.deleted_at, true)
                then 'reappeared'
            when
                differing.measure in ('new_referrals_count', 'qualified_count') and as_published.is_referral <> latest.is_referral
                then 'referrer changed'
            when as_published.campaign_id <> latest.campaign_id then 'moved campaign'
            when
                differing.measure = 'qualified_count'
                and not differing.is_counted
                and latest.qualified_at > as_published.qualified_at
                then 'qualified again'
            else 'date changed'
        end as reason
    from differing
    inner join before_change on differing.difference_no = before_change.difference_no
    inner join versions as changed
        on differing.user_id = changed.user_id and before_change.last_other_no + 1 = changed.version_no
    inner join versions as as_published
        on differing.user_id = as_published.user_id and differing.published_no = as_published.version_no
    inner join versions as latest
        on differing.user_id = latest.user_id and differing.current_no = latest.version_no
),

final as (
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
)

select * from final
