-- grain: one row per version of the setting of units and rule in it
-- reads: staging.stg_reward_units, intermediate.int_units, intermediate.int_reward_types
-- money: none
-- time: none
-- The rules of the setting of units, with the number of their unit and their scope; name_no is the number of the reward
-- type. The most specific rule applies to a reward: that for the reward, else its type in its campaign, else its
-- campaign, else its type.

with rules as (
    select * from staging.stg_reward_units
),

units as (
    select * from intermediate.int_units
),

types as (
    select
        name_no,
        reward_type
    from intermediate.int_reward_types
    where unit_no = 0
),

final as (
    select
        rules.settings_no,
        rules.setting,
        rules.reward_id,
        rules.campaign_id,
        rules.reward_type,
        types.name_no,
        rules.unit,
        units.unit_no,
        case
            when rules.reward_id is not null then 'reward'
            when rules.campaign_id is not null and rules.reward_type is not null then 'type in campaign'
            when rules.campaign_id is not null then 'campaign'
            else 'type'
        end as scope
    from rules
    inner join units on rules.unit = units.unit
    left join types on rules.reward_type = types.reward_type
)

select * from final
