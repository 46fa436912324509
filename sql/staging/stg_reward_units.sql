-- grain: one row per version of the settings and rule that gives rewards a unit
-- reads: raw.reward_units
-- money: none
-- time: none
-- What values are counted in (setting warehouse.reward_units): of one reward definition, of a campaign, of a reward type
-- in a campaign, or of a reward type. The API names no currency.

with source as (
    select * from raw.reward_units
),

final as (
    select
        settings_no,
        setting,
        reward_id,
        campaign_id,
        reward_type,
        unit
    from source
)

select * from final
