-- grain: one row per user who was ever issued a reward whose text says for which role
-- reads: intermediate.int_issued_latest, intermediate.int_issues_taken_back, intermediate.int_rewards_latest
-- money: none
-- time: none
-- materialized: table
-- The roles in which people were rewarded: as a referrer (the reward is for the person referring) or as a referral (for
-- the person invited), by the text of the row, else of its definition. Only issued rewards count; rewards due or in
-- process and issues that were taken back do not.

with issued as (
    select * from intermediate.int_issued_latest
),

taken_back as (
    select * from intermediate.int_issues_taken_back
),

definitions as (
    select * from intermediate.int_rewards_latest
),

with_role as (
    select
        issued.recipient_id as user_id,
        coalesce(nullif(trim(issued.reward_for), ''), definitions.reward_for) as given_for
    from issued
    left join definitions on issued.reward_id = definitions.reward_id
    left join taken_back on issued.record_id = taken_back.record_id
    where issued.reward_state = 'issued' and issued.total_count > coalesce(taken_back.taken_back_count, 0)
),

final as (
    select
        user_id,
        bool_or(given_for ilike '%referring%') as is_rewarded_referrer,
        bool_or(given_for ilike '%invited%' and not given_for ilike '%referring%') as is_rewarded_referral
    from with_role
    where user_id is not null and given_for is not null
    group by user_id
)

select * from final
