-- grain: one row per stream with rows
-- key: stream
-- reads: staging.stg_campaigns, staging.stg_rewards, staging.stg_users, staging.stg_coupons, staging.stg_rewards_due,
--   staging.stg_rewards_issued, staging.stg_run_streams, staging.stg_refresh_rounds, staging.stg_refresh_ranges,
--   intermediate.int_vanished_rows, intermediate.int_build_clock
-- money: none
-- time: UTC, without a zone, the server's; ages count from the last observation
-- How long ago the present rows were last read from the API, whether they had changed or not. The age of the oldest row
-- of a stream is the longest time for which a change without a date, such as one of a name, an address or a counter, may
-- have gone unnoticed.
-- answers: How old may a name or a counter be? Are enough calls spent on reading rows again?
-- wrong: rows that a run read for another reason and found unchanged keep the time of their earlier reading, so they are
-- younger than shown.

with users as (
    select * from staging.stg_users
),

coupons as (
    select * from staging.stg_coupons
),

campaigns as (
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

vanished as (
    select * from intermediate.int_vanished_rows
),

rounds as (
    select * from staging.stg_refresh_rounds
),

ranges as (
    select * from staging.stg_refresh_ranges
),

run_streams as (
    select * from staging.stg_run_streams
),

clock as (
    select * from intermediate.int_build_clock
),

stream_reads as (
    select
        stream,
        observed_at,
        row_number() over (partition by stream order by observed_at desc) as recency
    from run_streams
    where observed_at is not null
),

latest as (
    select
        stream,
        observed_at
    from stream_reads
    where recency = 1
),

listed as (
    select
        'campaigns' as stream,
        fetched_at
    from campaigns
    where seen_until_at is null
    union all
    select
        'rewards' as stream,
        fetched_at
    from rewards
    where seen_until_at is null
    union all
    select
        'rewards_due' as stream,
        fetched_at
    from due
    where seen_until_at is null
),

seen as (
    select
        listed.stream,
        greatest(listed.fetched_at, latest.observed_at) as seen_at
    from listed
    left join latest on listed.stream = latest.stream
    union all
    select
        'users' as stream,
        greatest(users.last_seen_at, rounds.complete_at, ranges.seen_at) as seen_at
    from users
    left join rounds on rounds.stream = 'users'
    left join ranges
        on users.user_id > ranges.above_id and users.user_id <= ranges.upto_id and ranges.stream = 'users'
    left join vanished on users.user_id = vanished.record_id and vanished.stream = 'users'
    where vanished.record_id is null
    union all
    select
        'coupons' as stream,
        greatest(coupons.last_seen_at, rounds.complete_at, ranges.seen_at) as seen_at
    from coupons
    left join rounds on rounds.stream = 'coupons'
    left join ranges
        on coupons.user_id > ranges.above_id and coupons.user_id <= ranges.upto_id and ranges.stream = 'coupons'
    left join vanished on coupons.coupon_id = vanished.record_id and vanished.stream = 'coupons'
    where vanished.record_id is null
    union all
    select
        'rewards_issued' as stream,
        greatest(
            issued.fetched_at,
            rounds.complete_at,
            case
                when issued.issued_at is null then latest.observed_at
                when issued.issued_at >= latest.observed_at - to_days(cast(rounds.lookback_days as integer))
                    then latest.observed_at
            end
        ) as seen_at
    from issued
    left join rounds on rounds.stream = 'rewards_issued'
    left join latest on latest.stream = 'rewards_issued'
    left join vanished on issued.issued_id = vanished.record_id and vanished.stream = 'rewards_issued'
    where issued.seen_until_at is null and vanished.record_id is null
),

ages as (
    select
        seen.stream,
        count(*) as rows_count,
        min(seen.seen_at) as oldest_seen_at,
        max(date_diff('second', seen.seen_at, clock.as_of_at)) as oldest_age_s,
        quantile_disc(date_diff('second', seen.seen_at, clock.as_of_at), 0.95) as p95_age_s
    from seen
    cross join clock
    group by seen.stream
),

bounds as (
    select
        rounds.stream,
        rounds.sweep_every_days,
        rounds.syncs_per_round,
        date_diff('second', stream_reads.observed_at - interval 20 hours, clock.as_of_at) as round_s
    from rounds
    cross join clock
    left join stream_reads on rounds.stream = stream_reads.stream and rounds.syncs_per_round = stream_reads.recency
),

final as (
    select
        ages.stream, -- stream, e.g. users or rewards_due
        ages.rows_count, -- present rows, without deleted ones
        ages.oldest_seen_at, -- when the row with the oldest reading was read, UTC
        round(ages.oldest_age_s / 86400.0, 2) as oldest_age_days, -- age of that reading in days
        round(ages.p95_age_s / 86400.0, 2) as p95_age_days, -- age in days that 95 of 100 rows do not exceed
        case
            when ages.stream in ('campaigns', 'rewards', 'rewards_due') then 0.0
            else round(least(bounds.sweep_every_days, bounds.round_s / 86400.0), 2)
        end as max_age_days, -- highest age in days that the settings allow; 0 = every sync reads all rows; null = not known yet
        bounds.syncs_per_round -- number of syncs that together read every row again; null = only sweeps do
    from ages
    left join bounds on ages.stream = bounds.stream
)

select * from final
order by stream
