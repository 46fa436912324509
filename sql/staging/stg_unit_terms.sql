-- grain: one row per unit that the settings give terms of settlement
-- reads: raw.unit_terms
-- money: none
-- time: none
-- Whether rewards of a unit are settled when they are issued or when they are used, and after how many days unused ones
-- expire (settings warehouse.settles_on and warehouse.expires_after_days).

with source as (
    select * from raw.unit_terms
),

final as (
    select
        unit,
        settles_on,
        expires_after_days
    from source
)

select * from final
