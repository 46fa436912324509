-- grain: one row per version of the settings of settlement and expiry, and unit that it names
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
        terms_no,
        unit,
        settles_on,
        expires_after_days
    from source
)

select * from final
