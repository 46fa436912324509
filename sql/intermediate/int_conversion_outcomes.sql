-- grain: one row per cutoff, campaign, age in days, outcome and whether the referrer exists
-- reads: staging.stg_users, intermediate.int_vanished_rows, intermediate.int_missing_referrers,
--   intermediate.int_build_clock
-- money: none
-- time: UTC; age in whole days since joining
-- materialized: table
-- The outcome of each referral at two cutoffs: "now", and "then", which is 28 days earlier and uses only the dates up to
-- that time. Outcome: qualified (age: when it qualified), gone (deleted before it qualified; age: when a sync noticed it),
-- open (age: at the cutoff). Of those open then, later_count is how many have qualified since. A revoked qualification
-- does not count. Users without a date of joining, or qualified without a date, are left out.

with users as (
    select * from staging.stg_users
),

vanished as (
    select * from intermediate.int_vanished_rows
    where stream = 'users'
),

missing as (
    select * from intermediate.int_missing_referrers
),

clock as (
    select * from intermediate.int_build_clock
),

cutoffs as (
    select
        'now' as cutoff,
        as_of_at as cutoff_at
    from clock
    union all
    select
        'then' as cutoff,
        as_of_at - interval 28 days as cutoff_at
    from clock
),

referrals as (
    select
        coalesce(users.campaign_id, 0) as campaign_id,
        users.joined_at,
        case when users.is_qualified then users.qualified_at end as qualified_at,
        vanished.deleted_at,
        missing.referrer_id is not null as is_referrer_missing,
        missing.deleted_at as referrer_deleted_at
    from users
    left join vanished on users.user_id = vanished.record_id
    left join missing on users.referrer_id = missing.referrer_id
    where
        users.referrer_id is not null
        and users.joined_at is not null
        and (users.is_qualified is not true or users.qualified_at is not null)
),

placed as (
    select
        cutoffs.cutoff,
        cutoffs.cutoff_at,
        referrals.*,
        case
            when referrals.qualified_at <= cutoffs.cutoff_at then 'qualified'
            when referrals.deleted_at <= cutoffs.cutoff_at then 'gone'
            else 'open'
        end as outcome
    from referrals
    inner join cutoffs on referrals.joined_at <= cutoffs.cutoff_at
),

aged as (
    select
        placed.cutoff,
        placed.campaign_id,
        placed.outcome,
        greatest(
            date_diff(
                'second', placed.joined_at,
                case placed.outcome
                    when 'qualified' then placed.qualified_at when 'gone' then placed.deleted_at else placed.cutoff_at
                end
            ) // 86400, 0
        ) as age_days,
        placed.outcome <> 'open'
        or not placed.is_referrer_missing
        or coalesce(placed.referrer_deleted_at > placed.cutoff_at, false) as has_referrer,
        placed.outcome = 'open' and placed.qualified_at is not null as is_later
    from placed
),

final as (
    select
        cutoff,
        campaign_id,
        outcome,
        age_days,
        has_referrer,
        count(*) as referrals_count,
        count(*) filter (where is_later) as later_count
    from aged
    group by cutoff, campaign_id, outcome, age_days, has_referrer
)

select * from final
