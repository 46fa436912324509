-- rule: each reward type that the settings give a unit is a type of this account
-- reads: staging.stg_reward_units, intermediate.int_reward_types
-- Spelling counts: a misspelt type in the settings leaves the real one standing alone.

with units as (
    select * from staging.stg_reward_units
),

types as (
    select * from intermediate.int_reward_types
),

final as (
    select
        units.reward_type,
        units.unit
    from units
    anti join types on units.reward_type = types.reward_type
)

select * from final
