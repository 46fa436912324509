-- rule: each series of the daily funnel has every day from its first to the day of the build, once
-- reads: marts.referral_funnel_daily, intermediate.int_build_clock
-- A chart would show a missing day as one without people.

with daily as (
    select * from marts.referral_funnel_daily
),

clock as (
    select * from intermediate.int_build_clock
),

series as (
    select
        campaign_id,
        source,
        min(day_on) as first_on,
        max(day_on) as last_on,
        count(*) as rows_count,
        count(distinct day_on) as days_count
    from daily
    group by campaign_id, source
),

final as (
    select
        series.campaign_id,
        series.first_on,
        series.last_on,
        series.rows_count,
        series.days_count,
        clock.as_of_on
    from series
    cross join clock
    where
        series.rows_count <> series.days_count
        or series.days_count <> date_diff('day', series.first_on, series.last_on) + 1
        or series.last_on <> clock.as_of_on
)

select * from final
