-- grain: one row per version of each user of whom anything was observed
-- reads: staging.stg_users, staging.stg_observations
-- money: none
-- time: UTC; seen_from_at is when a sync saw the version; -infinity = from the beginning
-- materialized: table
-- The values of a user that decide on which days the user is counted, as known at each time. Only for users whose changes
-- altered a closed day, or who were seen late, vanished or reappeared; all others are counted as they are now. is_known
-- is false before a user was seen who existed earlier. A version has the values just before the next change, the last one
-- the present values. Changes that are not recorded alter only days that were not closed yet, so each version is right
-- for all days that were closed during it.

with users as (
    select * from staging.stg_users
),

observations as (
    select * from staging.stg_observations
    where stream = 'users' and what in ('changed', 'seen late', 'vanished', 'reappeared')
),

-- At equal times, reappearing takes precedence, as in int_vanished_rows.
events as (
    select
        record_id as user_id,
        observed_at,
        max(record_before) as record_before,
        bool_or(what = 'seen late') as is_seen_late,
        bool_or(what = 'reappeared') as is_back,
        bool_or(what = 'vanished') and not is_back as is_gone
    from observations
    group by record_id, observed_at
),

states as (
    select
        user_id,
        timestamp '-infinity' as seen_from_at,
        not bool_or(is_seen_late) as is_known,
        null as record_before,
        false as is_gone,
        false as is_back
    from events
    group by user_id
    union all
    select
        user_id,
        observed_at as seen_from_at,
        true as is_known,
        record_before,
        is_gone,
        is_back
    from events
),

with_neighbours as (
    select
        user_id,
        seen_from_at,
        is_known,
        row_number() over versions as version_no,
        lead(seen_from_at) over versions is null as is_current,
        json_transform(
            first_value(record_before ignore nulls) over later_versions,
            '{"campaign_id": "BIGINT", "referrer_id": "BIGINT", "date": "TIMESTAMP", "qualified": "BOOLEAN",
            "qualified_at": "TIMESTAMP", "unsubscribed": "BOOLEAN", "unsubscribed_at": "TIMESTAMP"}'
        ) as known,
        max(case when is_gone then seen_from_at end) over versions as gone_at,
        max(case when is_back then seen_from_at end) over versions as back_at
    from states
    window
        versions as (partition by user_id order by seen_from_at rows unbounded preceding),
        later_versions as (partition by user_id order by seen_from_at rows between 1 following and unbounded following)
),

compared as (
    select
        with_neighbours.*,
        users.campaign_id,
        users.referrer_id,
        users.joined_at,
        users.is_qualified,
        users.qualified_at,
        users.is_unsubscribed,
        users.unsubscribed_at,
        with_neighbours.known is null as is_as_now
    from with_neighbours
    inner join users on with_neighbours.user_id = users.user_id
),

final as (
    select
        user_id,
        version_no,
        seen_from_at,
        is_current,
        is_known,
        coalesce(case when is_as_now then campaign_id else struct_extract(known, 'campaign_id') end, 0) as campaign_id,
        case when is_as_now then referrer_id else struct_extract(known, 'referrer_id') end is not null as is_referral,
        coalesce(case when is_as_now then is_qualified else struct_extract(known, 'qualified') end, false) as is_qualified,
        coalesce(case when is_as_now then is_unsubscribed else struct_extract(known, 'unsubscribed') end, false) as is_unsubscribed,
        case when is_as_now then joined_at else struct_extract(known, 'date') end as joined_at,
        case when is_as_now then qualified_at else struct_extract(known, 'qualified_at') end as qualified_at,
        case when is_as_now then unsubscribed_at else struct_extract(known, 'unsubscribed_at') end as unsubscribed_at,
        case when gone_at > coalesce(back_at, timestamp '0001-01-01') then gone_at end as deleted_at
    from compared
)

select * from final
