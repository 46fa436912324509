-- grain: one row per unit and period in which it was settled on use without interruption
-- reads: intermediate.int_unit_terms
-- money: none
-- time: days in UTC; from_on is in the period, until_on is not; -infinity = no beginning, infinity = it is settled on use now
-- Consecutive periods of int_unit_terms that differ only in the days of expiry are one period here.

with terms as (
    select * from intermediate.int_unit_terms
),

compared as (
    select
        *,
        coalesce(lag(settles_on) over unit_periods, 'issue') as previous_settles_on
    from terms
    window unit_periods as (partition by unit order by from_on)
),

begun as (
    select
        unit,
        settles_on,
        from_on
    from compared
    where settles_on <> previous_settles_on
),

ended as (
    select
        *,
        coalesce(lead(from_on) over (partition by unit order by from_on), date 'infinity') as until_on
    from begun
),

final as (
    select
        unit,
        from_on,
        until_on
    from ended
    where settles_on = 'use'
)

select * from final
