-- grain: one row per reward type that the settings give a unit
-- reads: raw.reward_units
-- money: none
-- time: none
-- What the values of a reward type are counted in (setting warehouse.reward_units). The API names no currency.

with source as (
    select * from raw.reward_units
),

final as (
    select
        reward_type,
        unit
    from source
)

select * from final
