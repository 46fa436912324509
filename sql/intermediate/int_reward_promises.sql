-- grain: one row per reward definition and version
-- reads: staging.stg_rewards, intermediate.int_reward_types
-- money: reward_value in the unit of the row, 0 where the API gives none (a gift)
-- time: UTC; valid_from_at is in the interval, valid_until_at is not; null = it holds now
-- What a campaign promises, in words the models can reckon with: who receives it (referrer, referral) and what the
-- referral must do for it (join, qualify); null where the API uses words we do not know. What the first look at the
-- list of rewards showed is taken to have held before, because nothing else is known of that time.

with rewards as (
    select * from staging.stg_rewards
),

types as (
    select * from intermediate.int_reward_types
),

first_look as (
    select min(seen_from_at) as first_look_at from rewards
),

worded as (
    select
        *,
        coalesce(nullif(trim(reward_type), ''), 'unknown') as given_type
    from rewards
),

final as (
    select
        worded.reward_id,
        coalesce(worded.campaign_id, 0) as campaign_id,
        types.label as reward_type,
        types.unit,
        coalesce(worded.reward_value, 0) as reward_value,
        case
            when worded.reward_for ilike '%referring%' then 'referrer'
            when worded.reward_for ilike '%invited%' then 'referral'
        end as recipient,
        case lower(trim(worded.when_referral)) when 'invited' then 'join' when 'converted' then 'qualify' end as falls_due,
        case
            when worded.seen_from_at = first_look.first_look_at then timestamp '-infinity' else worded.seen_from_at
        end as valid_from_at,
        worded.seen_until_at as valid_until_at
    from worded
    cross join first_look
    left join types on worded.given_type = types.reward_type
)

select * from final
