-- grain: one row per list (due, issued), record and version
-- reads: staging.stg_rewards_due, staging.stg_rewards_issued, staging.stg_users, intermediate.int_rewards_latest
-- money: total_value, exact; null totals are count times price, or 0 where there is no price (a gift)
-- time: UTC; seen_from_at is in the interval, seen_until_at is not
-- materialized: table
-- Both reward lists in one shape. Here and nowhere else it is decided which state a row is in, what a missing count
-- or total means, which campaign a reward belongs to and in which unit it is counted. State: due; in process (in the
-- issued list without a date: still owed); issued. Campaign: the reward's, else the recipient's, else 0. Unit: each
-- reward type stands alone.

with due as (
    select * from staging.stg_rewards_due
),

issued as (
    select * from staging.stg_rewards_issued
),

rewards as (
    select * from intermediate.int_rewards_latest
),

users as (
    select * from staging.stg_users
),

both_lists as (
    select
        'due' as list_name,
        'due' as reward_state,
        due_id as record_id,
        * exclude (due_id, due_count, due_value),
        due_count as given_count,
        due_value as given_value
    from due
    union all by name
    select
        'issued' as list_name,
        case when issued_at is null then 'in process' else 'issued' end as reward_state,
        issued_id as record_id,
        * exclude (issued_id, issued_count, issued_value),
        issued_count as given_count,
        issued_value as given_value
    from issued
),

filled as (
    select
        both_lists.* exclude (reward_type),
        rewards.name as reward_name,
        coalesce(rewards.campaign_id, users.campaign_id, 0) as campaign_id,
        coalesce(nullif(trim(both_lists.reward_type), ''), nullif(trim(rewards.reward_type), ''), 'unknown') as reward_type,
        coalesce(both_lists.given_count, 1) as total_count,
        cast(
            coalesce(both_lists.given_value, coalesce(both_lists.given_count, 1) * both_lists.reward_value, 0) as decimal(38, 2)
        ) as total_value
    from both_lists
    left join rewards on both_lists.reward_id = rewards.reward_id
    left join users on both_lists.recipient_id = users.user_id
),

final as (
    select
        *,
        'type:' || reward_type as unit,
        lead(seen_from_at) over (partition by list_name, record_id order by seen_from_at) is not null as has_successor
    from filled
)

select * from final
