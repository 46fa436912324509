-- grain: one row per unit that the settlement settings name or once named, and period in which its terms stayed the same
-- reads: staging.stg_unit_terms, staging.stg_term_settings, intermediate.int_sync_points
-- money: none
-- time: days in UTC; from_on is in the period, until_on is not; the first period has no beginning (-infinity); until_on is
--   null where the terms hold now
-- materialized: table
-- Terms say when rewards of a unit are settled (on issue or on use) and after how many days unused ones expire. A changed
-- setting holds from the day of the run that first had it, so that it does not rewrite closed days; of several changes on
-- a day, the last one holds for that day. The first version of the settings also holds for all earlier days. A unit that a
-- version does not name is settled on issue.

with terms as (
    select * from staging.stg_unit_terms
),

settings as (
    select * from staging.stg_term_settings
),

runs as (
    select * from intermediate.int_sync_points
),

dated as (
    select
        settings.terms_no,
        case
            when settings.terms_no = 1 then date '-infinity'
            else cast(max(runs.changes_from_at) over (order by settings.terms_no rows unbounded preceding) as date)
        end as from_on
    from settings
    left join runs on settings.run_id = runs.run_id
    union all
    select
        1 as terms_no,
        date '-infinity' as from_on
    where not exists (select 1 from settings) -- noqa: AM04
),

days as (
    select
        from_on,
        max(terms_no) as terms_no
    from dated
    where from_on is not null
    group by from_on
),

units as (
    select distinct unit from terms
),

terms_by_day as (
    select
        units.unit,
        days.from_on,
        coalesce(terms.settles_on, 'issue') as settles_on,
        terms.expires_after_days
    from units
    cross join days
    left join terms on units.unit = terms.unit and days.terms_no = terms.terms_no
),

compared as (
    select
        *,
        lag(settles_on) over unit_days as previous_settles_on,
        lag(expires_after_days) over unit_days as previous_days
    from terms_by_day
    window unit_days as (partition by unit order by from_on)
),

final as (
    select
        unit,
        settles_on,
        expires_after_days,
        from_on,
        lead(from_on) over (partition by unit order by from_on) as until_on
    from compared
    where settles_on is distinct from previous_settles_on or expires_after_days is distinct from previous_days
)

select * from final
