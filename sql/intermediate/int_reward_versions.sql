-- grain: one row per list (due, issued), record, version and period of the reward definition
-- reads: staging.stg_rewards_due, staging.stg_rewards_issued, staging.stg_users, intermediate.int_rewards_latest,
--   intermediate.int_reward_periods, intermediate.int_reward_types, intermediate.int_payout_statuses
-- money: total_value, exact; null totals are count times price, or 0 where there is no price (a gift); null where count
--   times price reaches 10^24, which sums could not hold
-- time: UTC; seen_from_at is in the interval, seen_until_at is not; row_seen_* is the same for the version of the row,
--   which may span several periods of its reward definition
-- materialized: table
-- compression: rle
-- Both reward lists in one shape. Here and nowhere else it is decided which state a row is in, what a missing count
-- or total means, and which campaign and type a reward belonged to at a time. State: due; in process (in the issued list
-- without a date: still owed); cancelled (without a date, and its status says that it is not owed); issued (dated).
-- Campaign: the reward's at that time, else the recipient's, else 0. issued_from: in process where the row was in
-- process when it was last seen without a date, else due. is_entry: the first version of a row of the issued list.
-- corrected_*: what an issued version has more than the issued version before it.

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

statuses as (
    select * from intermediate.int_payout_statuses
),

unknown_type as (
    select type_no from types
    where reward_type = 'unknown'
),

-- What a definition says is cut and numbered before it is joined to the many rows that name it.
names as (
    select
        reward_id,
        left(name, 200) as name
    from intermediate.int_rewards_latest
),

periods as (
    select
        periods.reward_id,
        periods.campaign_id,
        periods.valid_from_at,
        periods.valid_until_at,
        types.type_no
    from intermediate.int_reward_periods as periods
    left join types on periods.reward_type = types.reward_type
),

-- Few rewards name no definition with a campaign; only their recipients are looked up among all users.
without_campaign as (
    select reward_id from periods
    where campaign_id is null
),

campaign_rewards as (
    select reward_id from periods
    anti join without_campaign on periods.reward_id = without_campaign.reward_id
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
        'due' as undated_state,
        due_id as record_id,
        * exclude (due_id, due_count, due_value),
        due_count as given_count,
        due_value as given_value
    from due
    union all by name
    select
        'issued' as list_name,
        case when statuses.is_owed or statuses.is_owed is null then 'in process' else 'cancelled' end as undated_state,
        issued.issued_id as record_id,
        issued.* exclude (issued_id, issued_count, issued_value),
        issued.issued_count as given_count,
        issued.issued_value as given_value
    from issued
    left join statuses on lower(trim(issued.status)) = statuses.status
),

-- A version lasts no longer than the period of its reward definition: a reward that moves begins a new one.
placed as (
    select
        both_lists.* exclude (reward_type, seen_from_at, seen_until_at),
        both_lists.seen_from_at as row_seen_from_at,
        both_lists.seen_until_at as row_seen_until_at,
        greatest(both_lists.seen_from_at, coalesce(periods.valid_from_at, both_lists.seen_from_at)) as seen_from_at,
        nullif(
            least(
                coalesce(both_lists.seen_until_at, timestamp 'infinity'),
                coalesce(periods.valid_until_at, timestamp 'infinity')
            ), timestamp 'infinity'
        ) as seen_until_at,
        coalesce(periods.campaign_id, homes.campaign_id, 0) as campaign_id,
        coalesce(own_types.type_no, periods.type_no, unknown_type.type_no) as type_no,
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
    left join periods
        on
            both_lists.reward_id = periods.reward_id
            and both_lists.seen_from_at < periods.valid_until_at
            and coalesce(both_lists.seen_until_at, timestamp 'infinity') > periods.valid_from_at
    left join types as own_types on trim(both_lists.reward_type) = own_types.reward_type
    left join homes on both_lists.recipient_id = homes.user_id
),

followed as (
    select
        *,
        false as has_successor,
        false as is_entry,
        'due' as issued_from,
        'due' as reward_state,
        0 as previous_count,
        0 as previous_value,
        false as continues_issue,
        false as is_continued
    from placed
    where list_name = 'due'
    union all by name
    select
        *,
        lead(seen_from_at) over versions is not null as has_successor,
        lag(seen_from_at) over versions is null as is_entry,
        case
            when
                last_value(case when issued_at is null then undated_state end ignore nulls)
                    over (versions rows unbounded preceding)
                = 'in process'
                then 'in process'
            else 'due'
        end as issued_from,
        case when issued_at is null then undated_state else 'issued' end as reward_state,
        lag(total_count) over versions as previous_count,
        lag(total_value) over versions as previous_value,
        issued_at is not null and lag(issued_at) over versions is not null as continues_issue,
        issued_at is not null and lead(issued_at) over versions is not null as is_continued
    from placed
    where list_name = 'issued'
    window versions as (partition by record_id order by seen_from_at)
),

final as (
    select
        followed.* exclude (full_price, undated_state, previous_count, previous_value),
        case when followed.continues_issue then cast(followed.total_count as hugeint) - followed.previous_count end
            as corrected_count,
        case when followed.continues_issue then coalesce(followed.total_value, 0) - coalesce(followed.previous_value, 0) end
            as corrected_value,
        names.name as reward_name,
        types.label as reward_type,
        types.unit
    from followed
    left join names on followed.reward_id = names.reward_id
    left join types on followed.type_no = types.type_no
)

select * from final
