-- grain: one row per list (due, issued), record and version
-- reads: staging.stg_rewards_due, staging.stg_rewards_issued, staging.stg_users, intermediate.int_rewards_latest,
--   intermediate.int_reward_types
-- money: total_value, exact; null totals are count times price, or 0 where there is no price (a gift); null where count
--   times price reaches 10^24, which sums could not hold
-- time: UTC; seen_from_at is in the interval, seen_until_at is not
-- materialized: table
-- compression: rle
-- Both reward lists in one shape. Here and nowhere else it is decided which state a row is in, what a missing count
-- or total means, and which campaign a reward belongs to. State: due; in process (in the issued list without a date:
-- still owed); issued. Campaign: the reward's, else the recipient's, else 0. issued_from: in process where the row has
-- been seen without a date, else due. is_entry: the first version of a row of the issued list.

with due as (
    select * from staging.stg_rewards_due
),

issued as (
    select * from staging.stg_rewards_issued
),

users as (
    select * from staging.stg_users
),

types as (
    select * from intermediate.int_reward_types
),

unknown_type as (
    select type_no from types
    where reward_type = 'unknown'
),

-- What a definition says is cut and numbered before it is joined to the many rows that name it.
rewards as (
    select
        latest.reward_id,
        latest.campaign_id,
        types.type_no,
        left(latest.name, 200) as name
    from intermediate.int_rewards_latest as latest
    left join types on trim(latest.reward_type) = types.reward_type
),

-- Few rewards name no definition with a campaign; only their recipients are looked up among all users.
campaign_rewards as (
    select reward_id from rewards
    where campaign_id is not null
),

unplaced as (
    select due.recipient_id
    from due
    anti join campaign_rewards on due.reward_id = campaign_rewards.reward_id
    union
    select issued.recipient_id
    from issued
    anti join campaign_rewards on issued.reward_id = campaign_rewards.reward_id
),

homes as (
    select
        users.user_id,
        users.campaign_id
    from users
    semi join unplaced on users.user_id = unplaced.recipient_id
),

both_lists as (
    select
        'due' as list_name,
        'due' as reward_state,
        due_id as record_id,
        * exclude (due_id, due_count, due_value),
        due_count as given_count,
        due_value as given_value,
        false as has_successor,
        false as is_entry,
        'due' as issued_from
    from due
    union all by name
    select
        'issued' as list_name,
        case when issued_at is null then 'in process' else 'issued' end as reward_state,
        issued_id as record_id,
        * exclude (issued_id, issued_count, issued_value),
        issued_count as given_count,
        issued_value as given_value,
        lead(seen_from_at) over versions is not null as has_successor,
        lag(seen_from_at) over versions is null as is_entry,
        case when bool_or(issued_at is null) over (versions rows unbounded preceding) then 'in process' else 'due' end as issued_from
    from issued
    window versions as (partition by issued_id order by seen_from_at)
),

filled as (
    select
        both_lists.* exclude (reward_type),
        rewards.name as reward_name,
        coalesce(rewards.campaign_id, homes.campaign_id, 0) as campaign_id,
        coalesce(own_types.type_no, rewards.type_no, unknown_type.type_no) as type_no,
        coalesce(both_lists.given_count, 1) as total_count,
        total_count * both_lists.reward_value as full_price,
        cast(
            case
                when both_lists.given_value is not null then both_lists.given_value
                when full_price is null then 0
                when abs(full_price) < 1000000000000000000000000 then full_price
            end as decimal(38, 2)
        ) as total_value
    from both_lists
    cross join unknown_type
    left join rewards on both_lists.reward_id = rewards.reward_id
    left join types as own_types on trim(both_lists.reward_type) = own_types.reward_type
    left join homes on both_lists.recipient_id = homes.user_id
),

final as (
    select
        filled.* exclude (full_price),
        types.label as reward_type,
        types.unit
    from filled
    left join types on filled.type_no = types.type_no
)

select * from final
