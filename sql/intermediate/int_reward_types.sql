-- grain: one row per reward type that occurs in the account, and one for 'unknown'
-- reads: staging.stg_rewards_due, staging.stg_rewards_issued, staging.stg_rewards, staging.stg_reward_units
-- money: none
-- time: none
-- materialized: table
-- Here and nowhere else it is decided in which unit a reward type is counted: what the settings say of it, else the type
-- stands alone. label is what rows of other records and days show: the type itself up to 200 characters, else its
-- beginning and a checksum, so that one long text does not fill every day of ten years. type_no is its place in the
-- alphabet, good for this build only: numbers group faster than words.

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
    select * from staging.stg_reward_units
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

final as (
    select
        occurring.reward_type,
        case
            when length(occurring.reward_type) <= 200 then occurring.reward_type
            else left(occurring.reward_type, 160) || '… ' || md5(occurring.reward_type)
        end as label,
        coalesce(units.unit, 'type:' || label) as unit,
        row_number() over (order by occurring.reward_type) as type_no
    from occurring
    left join units on occurring.reward_type = units.reward_type
    where occurring.reward_type <> ''
)

select * from final
