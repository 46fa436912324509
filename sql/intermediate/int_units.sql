-- grain: one row per unit that the settings name or named
-- reads: staging.stg_units
-- money: none
-- time: none
-- unit_no numbers the units in alphabetical order, valid in this build only; reward types without a unit have 0.

with units as (
    select * from staging.stg_units
),

final as (
    select
        *,
        row_number() over (order by unit) as unit_no
    from units
)

select * from final
