-- grain: one row per reward definition, version and version of the setting of units
-- reads: staging.stg_rewards, intermediate.int_reward_types, intermediate.int_unit_rules, intermediate.int_unit_periods
-- money: reward_value in the unit of the row, 0 where the API returns none (a gift)
-- time: UTC; valid_from_at is in the interval, valid_until_at is not; null = it holds now
-- materialized: table
-- The rewards that a campaign offers, with coded values for who receives one (referrer, referral) and what the referral
-- must do for it (join, qualify); null where the API's text is unknown. What the first sync of the list of rewards saw is
-- applied to all earlier times, because nothing else is known of them. Rewards counted in percent are left out: their
-- amount depends on somebody's spend and is unknown until a list has it.

with rewards as (
    select * from staging.stg_rewards
),

types as (
    select * from intermediate.int_reward_types
),

rules as (
    select * from intermediate.int_unit_rules
),

unit_periods as (
    select * from intermediate.int_unit_periods
),

first_list as (
    select min(seen_from_at) as first_listed_at from rewards
),

in_force as (
    select
        rewards.*,
        case
            when rewards.seen_from_at = first_list.first_listed_at then timestamp '-infinity'
            else rewards.seen_from_at
        end as in_force_from_at,
        coalesce(rewards.seen_until_at, timestamp 'infinity') as in_force_until_at
    from rewards
    cross join first_list
),

with_settings as (
    select
        in_force.reward_id,
        in_force.reward_value,
        in_force.reward_for,
        in_force.when_referral,
        coalesce(in_force.campaign_id, 0) as campaign_id,
        coalesce(nullif(trim(in_force.reward_type), ''), 'unknown') as given_type,
        unit_periods.settings_no,
        greatest(in_force.in_force_from_at, unit_periods.valid_from_at) as valid_from_at,
        nullif(least(in_force.in_force_until_at, unit_periods.valid_until_at), timestamp 'infinity') as valid_until_at
    from in_force
    inner join unit_periods
        on in_force.in_force_until_at > unit_periods.valid_from_at and in_force.in_force_from_at < unit_periods.valid_until_at
),

named as (
    select
        with_settings.*,
        types.name_no
    from with_settings
    inner join types on with_settings.given_type = types.reward_type and types.unit_no = 0
),

final as (
    select
        named.reward_id,
        named.campaign_id,
        types.label as reward_type,
        types.unit,
        coalesce(named.reward_value, 0) as reward_value,
        case
            when named.reward_for ilike '%referring%' then 'referrer'
            when named.reward_for ilike '%invited%' then 'referral'
        end as recipient,
        case lower(trim(named.when_referral)) when 'invited' then 'join' when 'converted' then 'qualify' end as falls_due,
        named.valid_from_at,
        named.valid_until_at
    from named
    left join rules as reward_rules
        on named.settings_no = reward_rules.settings_no and named.reward_id = reward_rules.reward_id
    left join rules as campaign_type_rules
        on
            named.settings_no = campaign_type_rules.settings_no
            and named.campaign_id = campaign_type_rules.campaign_id
            and named.name_no = campaign_type_rules.name_no
    left join rules as campaign_rules
        on
            named.settings_no = campaign_rules.settings_no
            and named.campaign_id = campaign_rules.campaign_id
            and campaign_rules.scope = 'campaign'
    left join rules as type_rules
        on
            named.settings_no = type_rules.settings_no
            and named.name_no = type_rules.name_no
            and type_rules.scope = 'type'
    inner join types
        on
            named.name_no = types.name_no
            and coalesce(reward_rules.unit_no, campaign_type_rules.unit_no, campaign_rules.unit_no, type_rules.unit_no, 0)
            = types.unit_no
    where not types.is_percent
)

select * from final
