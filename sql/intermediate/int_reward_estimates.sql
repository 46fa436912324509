-- grain: one row per campaign, reward type, unit and day before the first sync with an estimated movement
-- reads: staging.stg_users, intermediate.int_sync_points, intermediate.int_reward_promises,
--   intermediate.int_missing_referrers, intermediate.int_reward_changes, intermediate.int_reward_types
-- money: an estimate, in the unit of the row; never added across units
-- time: days in UTC, all of them before first_on, the day of the first sync
-- materialized: table
-- An estimate of what fell due and was issued before the first sync. Fallen due: for each referral that joined or
-- qualified, the rewards that the campaign offered at the first sync. Issued: what the first sync found in the issued
-- list, by the vendor's dates. What was issued beyond all that is known to have fallen due (to people who left since) is
-- taken to have fallen due on the day it was issued. Reversals are unknown. Events more than ten years ago count on the
-- first day of these ten years.

with users as (
    select * from staging.stg_users
),

sync_points as (
    select * from intermediate.int_sync_points
),

promises as (
    select * from intermediate.int_reward_promises
    where valid_from_at = timestamp '-infinity'
),

missing as (
    select * from intermediate.int_missing_referrers
    where deleted_at is null
),

changes as (
    select * from intermediate.int_reward_changes
    where sync_no = 1 and reward_state = 'issued' and issued_at is not null
),

types as (
    select * from intermediate.int_reward_types
),

first_day as (
    select cast(min(sync_at) as date) as first_on from sync_points
),

referrals as (
    select
        coalesce(users.campaign_id, 0) as campaign_id,
        cast(users.joined_at as date) as joined_on,
        case when users.is_qualified then cast(users.qualified_at as date) end as qualified_on,
        missing.referrer_id is null as has_referrer
    from users
    left join missing on users.referrer_id = missing.referrer_id
    where users.referrer_id is not null
),

referral_counts as (
    select
        campaign_id,
        'join' as falls_due,
        joined_on as day_on,
        has_referrer,
        count(*) as referrals_count
    from referrals
    where joined_on < (select first_on from first_day)
    group by campaign_id, joined_on, has_referrer
    union all
    select
        campaign_id,
        'qualify' as falls_due,
        qualified_on as day_on,
        has_referrer,
        count(*) as referrals_count
    from referrals
    where qualified_on < (select first_on from first_day)
    group by campaign_id, qualified_on, has_referrer
),

events as (
    select
        referral_counts.campaign_id,
        promises.reward_type,
        promises.unit,
        referral_counts.day_on,
        referral_counts.referrals_count as accrued_count,
        referral_counts.referrals_count * promises.reward_value as accrued_value,
        0 as issued_count,
        0 as issued_value
    from referral_counts
    inner join promises on referral_counts.campaign_id = promises.campaign_id and referral_counts.falls_due = promises.falls_due
    where promises.recipient = 'referral' or (promises.recipient = 'referrer' and referral_counts.has_referrer)
    union all
    select
        changes.campaign_id,
        types.label as reward_type,
        types.unit,
        cast(changes.issued_at as date) as day_on,
        0 as accrued_count,
        0 as accrued_value,
        changes.change_count as issued_count,
        changes.change_value as issued_value
    from changes
    inner join types on changes.type_no = types.type_no
    where cast(changes.issued_at as date) < (select first_on from first_day)
),

per_day as (
    select
        events.campaign_id,
        events.reward_type,
        events.unit,
        first_day.first_on,
        greatest(events.day_on, first_day.first_on - 3653) as event_on,
        sum(events.accrued_count) as accrued_count,
        sum(events.accrued_value) as accrued_value,
        sum(events.issued_count) as issued_count,
        sum(events.issued_value) as issued_value
    from events
    cross join first_day
    group by events.campaign_id, events.reward_type, events.unit, first_day.first_on, event_on
),

balanced as (
    select
        *,
        sum(issued_count - accrued_count) over running as shortfall_count,
        sum(issued_value - accrued_value) over running as shortfall_value
    from per_day
    window running as (partition by campaign_id, reward_type, unit order by event_on rows unbounded preceding)
),

with_added_accruals as (
    select
        *,
        greatest(max(shortfall_count) over running, 0) as added_count,
        greatest(max(shortfall_value) over running, 0) as added_value
    from balanced
    window running as (partition by campaign_id, reward_type, unit order by event_on rows unbounded preceding)
),

final as (
    select
        campaign_id,
        reward_type,
        unit,
        first_on,
        event_on as day_on,
        cast(accrued_count + added_count - lag(added_count, 1, 0) over days as decimal(38, 0)) as accrued_count,
        cast(accrued_value + added_value - lag(added_value, 1, 0) over days as decimal(38, 6)) as accrued_value,
        cast(issued_count as decimal(38, 0)) as issued_count,
        cast(issued_value as decimal(38, 6)) as issued_value
    from with_added_accruals
    window days as (partition by campaign_id, reward_type, unit order by event_on)
)

select * from final
