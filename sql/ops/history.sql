-- grain: one row per stream and time at which a sync saw versions begin or end
-- key: stream, observed_at
-- reads: staging.stg_campaigns, staging.stg_rewards, staging.stg_rewards_due, staging.stg_rewards_issued,
--   staging.stg_observations
-- money: none
-- time: UTC, without a zone, the server's
-- Counts of the history that the API does not return: versions of campaigns, rewards, rewards due and rewards issued that
-- began or ended, and records that were found deleted or had reappeared. Rows are only added. A publication is refused
-- (HistoryLost) when the snapshot before it has a row here that the new one lacks, or one with higher counts, or one with
-- the same counts and another checksum.
-- answers: Since when is a stream loaded? When did its records change? Is the history complete after a restore?
-- wrong: several changes of a record between two syncs are seen as one; users and coupons have no versions, only
-- their tombstones are history.

with campaigns as (
    select * from staging.stg_campaigns
),

rewards as (
    select * from staging.stg_rewards
),

due as (
    select * from staging.stg_rewards_due
),

issued as (
    select * from staging.stg_rewards_issued
),

observations as (
    select * from staging.stg_observations
),

versions as (
    select
        'campaigns' as stream,
        campaign_id as record_id,
        cast(null as bigint) as given_count,
        cast(null as decimal(38, 6)) as given_value,
        seen_from_at,
        seen_until_at
    from campaigns
    union all
    select
        'rewards' as stream,
        reward_id as record_id,
        null as given_count,
        reward_value as given_value,
        seen_from_at,
        seen_until_at
    from rewards
    union all
    select
        'rewards_due' as stream,
        due_id as record_id,
        due_count as given_count,
        due_value as given_value,
        seen_from_at,
        seen_until_at
    from due
    union all
    select
        'rewards_issued' as stream,
        issued_id as record_id,
        issued_count as given_count,
        issued_value as given_value,
        seen_from_at,
        seen_until_at
    from issued
),

events as (
    select
        stream,
        seen_from_at as observed_at,
        'begun' as what,
        record_id,
        given_count,
        given_value
    from versions
    union all
    select
        stream,
        seen_until_at as observed_at,
        'ended' as what,
        record_id,
        given_count,
        given_value
    from versions
    where seen_until_at is not null
    union all
    select
        stream,
        observed_at,
        what,
        record_id,
        null as given_count,
        null as given_value
    from observations
    where what in ('vanished', 'reappeared')
),

summed as (
    select
        stream,
        observed_at,
        what,
        count(*) as events_count,
        concat_ws(
            ' ', what, sum(record_id), sum(given_count),
            -- two decimal places, as in snapshots of earlier versions; more only where they are not zero
            regexp_replace(cast(sum(given_value) as varchar), '0000$', '')
        ) as sums
    from events
    group by stream, observed_at, what
),

final as (
    select
        stream, -- stream, e.g. rewards_due
        observed_at, -- when the sync saw it, UTC
        cast(coalesce(sum(events_count) filter (where what = 'begun'), 0) as bigint)
            as versions_begun_count, -- versions that began: records that were new or had changed
        cast(coalesce(sum(events_count) filter (where what = 'ended'), 0) as bigint)
            as versions_ended_count, -- versions that ended: records that changed or left the list
        cast(coalesce(sum(events_count) filter (where what = 'vanished'), 0) as bigint)
            as vanished_count, -- records that were found deleted
        cast(coalesce(sum(events_count) filter (where what = 'reappeared'), 0) as bigint)
            as reappeared_count, -- records that reappeared
        string_agg(sums, ', ' order by what) as checksum -- sums of their ids, counts and values; for comparisons only
    from summed
    group by stream, observed_at
)

select * from final
order by observed_at, stream
