-- grain: one row per unit that the settings name or named
-- reads: raw.units
-- money: none
-- time: none
-- Whether a unit is a currency, percent or any other word; names and digits of currencies are those of ISO 4217.

with source as (
    select * from raw.units
),

final as (
    select
        unit,
        kind,
        name,
        is_money,
        digits
    from source
)

select * from final
