-- rule: each reward, campaign and reward type with a unit in the settings is in this account, and each unit with
--   settlement terms is in use
-- reads: intermediate.int_unit_rules, intermediate.int_unit_periods, staging.stg_rewards, staging.stg_campaigns,
--   intermediate.int_reward_types, staging.stg_unit_terms, staging.stg_term_settings, core.units
-- next: Correct warehouse.reward_units or warehouse.settles_on: names are case-sensitive. The column nearest has the most
--   similar existing name.
-- A rule that matches nothing has no effect: the rewards it was meant for keep another unit, or type:<reward type>.

with rules as (
    select * from intermediate.int_unit_rules
    where settings_no = (select max(settings_no) from intermediate.int_unit_periods)
),

types as (
    select * from intermediate.int_reward_types
    where unit_no = 0
),

known as (
    select
        'reward' as what,
        'reward:' || reward_id as setting,
        any_value(name) as name
    from staging.stg_rewards
    group by reward_id
    union all
    select
        'campaign' as what,
        'campaign:' || campaign_id as setting,
        any_value(name) as name
    from staging.stg_campaigns
    group by campaign_id
    union all
    select
        'campaign' as what,
        'campaign:0' as setting,
        null as name
    union all
    select
        'type' as what,
        reward_type as setting,
        null as name
    from types
    union all
    select
        'unit' as what,
        unit as setting,
        null as name
    from core.units
),

wanted as (
    select
        setting as in_settings,
        unit,
        'reward' as what,
        'reward:' || reward_id as setting
    from rules
    where reward_id is not null
    union all
    select
        setting as in_settings,
        unit,
        'campaign' as what,
        'campaign:' || campaign_id as setting
    from rules
    where campaign_id is not null
    union all
    select
        setting as in_settings,
        unit,
        'type' as what,
        reward_type as setting
    from rules
    where reward_type is not null
    union all
    select
        unit as in_settings,
        unit,
        'unit' as what,
        unit as setting
    from staging.stg_unit_terms
    where terms_no = coalesce((select max(terms_no) from staging.stg_term_settings), 1)
),

unknown as (
    select * from wanted
    anti join known on wanted.what = known.what and wanted.setting = known.setting
),

final as (
    select
        unknown.in_settings as setting,
        unknown.unit,
        min_by(
            known.setting || coalesce(' (' || known.name || ')', ''),
            levenshtein(left(unknown.setting, 200), left(known.setting, 200))
        ) as nearest
    from unknown
    left join known on unknown.what = known.what
    group by unknown.in_settings, unknown.unit, unknown.what, unknown.setting
)

select * from final
order by setting
