-- grain: one row per unit that the settings name or named
-- reads: staging.stg_units
-- money: none
-- time: none
-- unit_no is the unit's place in the alphabet, valid in this build only; 0 stands for reward types without a unit.

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
