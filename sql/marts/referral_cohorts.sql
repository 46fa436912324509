-- grain: one row per campaign, month in which referrals joined, and whole months since
-- key: campaign_id, joined_month_on, months_since
-- metrics: newly_qualified_count as cohort_qualified_count
-- reads: intermediate.int_people, intermediate.int_build_clock
-- money: none
-- time: months in UTC; months since are counted from each person's time of joining
-- Of the referrals who joined in a month, how many had qualified one, two or three months after joining. Month 0 is the
-- first month after each person's own joining, so everybody in a cohort had the same time. A cell is right-censored while
-- some of the cohort have not had that time yet: it can still grow.
-- answers: Do newer cohorts convert better? How long after joining do referrals still qualify? How many may still
-- qualify?
-- wrong: deleted people are in no cohort, revoked qualifications in no cell. Days to qualify are of all people of the
-- cohort who have qualified by now. They are the same in each row of the cohort, and too low while others may still
-- qualify. Referrals without a joining date are in no cohort; a qualified referral without a date of qualification is in
-- referrals_count only.

with people as (
    select * from intermediate.int_people
),

clock as (
    select * from intermediate.int_build_clock
),

referrals as (
    select
        people.campaign_id,
        cast(date_trunc('month', greatest(least(people.joined_at, clock.as_of_at), least(timestamp '2000-01-01', clock.as_of_at))) as date)
            as joined_month_on,
        case when people.is_qualified_referral then people.qualified_at end as qualified_at,
        people.joined_at
    from people
    cross join clock
    where people.is_referral and people.joined_at is not null
),

cohorts as (
    select
        referrals.campaign_id,
        referrals.joined_month_on,
        count(*) as referrals_count,
        quantile_cont(date_diff('second', referrals.joined_at, referrals.qualified_at) / 86400.0, [0.5, 0.9]) as days
    from referrals
    group by referrals.campaign_id, referrals.joined_month_on
),

-- A qualification that is dated before joining, or after the build, belongs to the first or the last month.
qualified as (
    select
        referrals.campaign_id,
        referrals.joined_month_on,
        least(
            greatest(date_sub('month', referrals.joined_at, referrals.qualified_at), 0),
            date_diff('month', referrals.joined_month_on, clock.as_of_on)
        ) as months_since,
        count(*) as qualified_count
    from referrals
    cross join clock
    where referrals.qualified_at is not null
    group by all
),

months as (
    select
        cohorts.*,
        clock.as_of_at,
        unnest(range(date_diff('month', cohorts.joined_month_on, clock.as_of_on) + 1)) as months_since
    from cohorts
    cross join clock
),

running as (
    select
        months.*,
        coalesce(qualified.qualified_count, 0) as newly_qualified_count,
        cast(sum(coalesce(qualified.qualified_count, 0)) over (
            partition by months.campaign_id, months.joined_month_on
            order by months.months_since rows unbounded preceding
        ) as bigint) as qualified_count
    from months
    left join qualified
        on
            months.campaign_id = qualified.campaign_id
            and months.joined_month_on = qualified.joined_month_on
            and months.months_since = qualified.months_since
),

final as (
    select
        campaign_id, -- campaign; 0 = no campaign
        joined_month_on, -- first day of the month in which the referrals joined, UTC
        months_since, -- whole months since joining; 0 = the first month
        referrals_count, -- referrals who joined in that month and are not deleted
        newly_qualified_count, -- of these, those who qualified in this month since joining
        qualified_count, -- of these, those who had qualified by the end of this month since joining
        qualified_count / referrals_count as conversion_rate, -- qualified_count / referrals_count
        joined_month_on + to_months(cast(months_since + 2 as integer)) > as_of_at
            as is_censored, -- whether some joined too recently to have completed this month, so that the count can still grow
        days[1] as median_days_to_qualify, -- median days from joining to qualifying, of all in the cohort who have qualified by now
        days[2] as p90_days_to_qualify -- 90th percentile of the same
    from running
)

select * from final
order by campaign_id, joined_month_on, months_since
