-- grain: one row per reward type that occurs in the account (and one for 'unknown') and unit it may be counted in
-- reads: staging.stg_rewards_due, staging.stg_rewards_issued, staging.stg_rewards, intermediate.int_units
-- money: none
-- time: none
-- materialized: table
-- A type without a unit (unit_no 0) is a unit of its own, type:label. label is what rows of other records and days show:
-- the type itself up to 200 characters, else its beginning and a checksum, so that one long text does not fill every day
-- of ten years. name_no numbers the types in alphabetical order, type_no the pairs of type and unit. Both are valid in
-- one build only; they exist because grouping by numbers is faster than by text.

with due as (
    select * from staging.stg_rewards_due
),

issued as (
    select * from staging.stg_rewards_issued
),

rewards as (
    select * from staging.stg_rewards
),

units as (
    select
        unit_no,
        unit
    from intermediate.int_units
    union all
    select
        0 as unit_no,
        null as unit
),

occurring as (
    select 'unknown' as reward_type
    union
    select trim(reward_type) as reward_type from due
    union
    select trim(reward_type) as reward_type from issued
    union
    select trim(reward_type) as reward_type from rewards
),

named as (
    select
        reward_type,
        case
            when length(reward_type) <= 200 then reward_type
            else left(reward_type, 160) || '… ' || md5(reward_type)
        end as label,
        row_number() over (order by reward_type) as name_no
    from occurring
    where reward_type <> ''
),

final as (
    select
        named.reward_type,
        named.label,
        named.name_no,
        units.unit_no,
        coalesce(units.unit, 'type:' || named.label) as unit,
        coalesce(units.unit, '') = 'percent' as is_percent,
        row_number() over (order by named.name_no, units.unit_no) as type_no
    from named
    cross join units
)

select * from final
