-- rule: each reward type with a unit in the settings is a type of this account
-- reads: staging.stg_reward_units, intermediate.int_reward_types
-- Spelling counts: for a misspelled type in the settings, the real type keeps a unit of its own.

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
