-- grain: one row per reward, recipient and reward type that is owed now (a reward normally has one type)
-- key: reward_id, recipient_id, reward_type
-- references: recipient_id core.users
-- metrics: due_count, due_value, in_process_count, in_process_value, owed_count, owed_value
-- reads: core.rewards_due, core.rewards_issued, core.rewards, core.campaigns, intermediate.int_reward_ledger,
--   intermediate.int_build_clock
-- money: exact, in the row's unit; never add values across units
-- time: UTC, without a zone; age as of the time of the data (as_of_at)
-- compression: rle
-- What is owed now and to whom, oldest first: rewards due and rewards in process (in the issued list without a date).
-- Contact data is in core.users only; join recipient_id = user_id.
-- answers: What do we owe, to whom, since when? Which rewards have been owed longest? Which are already in process?
-- wrong: age counts from the sync at which the balance last rose from zero. It is a lower bound where the first sync
-- found the balance (is_opening_balance). A later reward to the same person does not reset it, so that reward looks older
-- than it is.

with due as (
    select * from core.rewards_due
),

issued as (
    select * from core.rewards_issued
),

rewards as (
    select
        reward_id,
        left(name, 200) as name
    from core.rewards
),

campaigns as (
    select
        campaign_id,
        left(name, 200) as name
    from core.campaigns
),

ledger as (
    select * from intermediate.int_reward_ledger
),

clock as (
    select * from intermediate.int_build_clock
),

owed_rows as (
    select
        campaign_id,
        coalesce(reward_id, 0) as reward_id,
        coalesce(recipient_id, 0) as recipient_id,
        reward_type,
        unit,
        reward_for,
        due_count,
        due_value,
        0 as in_process_count,
        0 as in_process_value,
        first_seen_at
    from due
    union all
    select
        campaign_id,
        coalesce(reward_id, 0) as reward_id,
        coalesce(recipient_id, 0) as recipient_id,
        reward_type,
        unit,
        reward_for,
        0 as due_count,
        0 as due_value,
        issued_count as in_process_count,
        issued_value as in_process_value,
        first_seen_at
    from issued
    where is_in_process and deleted_at is null
),

balances as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        reward_type,
        unit,
        max(reward_for) as reward_for,
        cast(sum(due_count) as decimal(38, 0)) as due_count,
        coalesce(sum(due_value), 0) as due_value,
        cast(sum(in_process_count) as decimal(38, 0)) as in_process_count,
        coalesce(sum(in_process_value), 0) as in_process_value,
        min(first_seen_at) as first_seen_at
    from owed_rows
    group by campaign_id, reward_id, recipient_id, reward_type, unit
),

-- Since when something has been owed without interruption: age is that of the balance, not of a single reward. A balance
-- that came from another campaign or reward type keeps its age, so all balances of a reward and recipient count together;
-- where no reward is named, each reward type counts alone, unless rows of the recipient went from one to another. A balance
-- that the last sync of both lists left at zero, and that a later run saw in one list alone, begins anew.
moved_recipients as (
    select distinct recipient_id
    from ledger
    where reward_id = 0 and (reclassified_in_count <> 0 or reclassified_out_count <> 0)
),

changes as (
    select
        ledger.reward_id,
        ledger.recipient_id,
        case when ledger.reward_id = 0 and moved_recipients.recipient_id is null then ledger.reward_type else '' end
            as own_type,
        ledger.sync_no,
        any_value(ledger.sync_at) as sync_at,
        bool_or(ledger.is_opening_balance) as is_opening_balance,
        sum(ledger.closing_count - case when ledger.is_opening_balance then 0 else ledger.opening_count end) as change_count,
        sum(ledger.closing_value - case when ledger.is_opening_balance then 0 else ledger.opening_value end) as change_value
    from ledger
    left join moved_recipients on ledger.recipient_id = moved_recipients.recipient_id
    group by ledger.reward_id, ledger.recipient_id, own_type, ledger.sync_no
),

running as (
    select
        *,
        sum(change_count) over balances as closing_count,
        sum(change_value) over balances as closing_value,
        sum(change_count) over every_sync as latest_count,
        sum(change_value) over every_sync as latest_value
    from changes
    window
        every_sync as (partition by reward_id, recipient_id, own_type),
        balances as (partition by reward_id, recipient_id, own_type order by sync_no rows unbounded preceding)
),

owed_since as (
    select
        reward_id,
        recipient_id,
        own_type,
        max(sync_at) as owed_since_at,
        max_by(is_opening_balance, sync_no) as is_opening_balance
    from running
    where
        (is_opening_balance or (closing_count - change_count = 0 and closing_value - change_value = 0))
        and (closing_count <> 0 or closing_value <> 0)
        and (latest_count <> 0 or latest_value <> 0)
    group by reward_id, recipient_id, own_type
),

aged as (
    select
        balances.*,
        rewards.name as reward_name,
        campaigns.name as campaign_name,
        coalesce(owed_since.owed_since_at, balances.first_seen_at) as owed_since_at,
        coalesce(owed_since.is_opening_balance, false) as is_opening_balance,
        greatest(
            date_diff('day', coalesce(owed_since.owed_since_at, balances.first_seen_at), clock.as_of_at), 0
        ) as age_days_count
    from balances
    cross join clock
    left join moved_recipients on balances.recipient_id = moved_recipients.recipient_id
    left join owed_since
        on
            balances.reward_id = owed_since.reward_id
            and balances.recipient_id = owed_since.recipient_id
            and case when balances.reward_id = 0 and moved_recipients.recipient_id is null then balances.reward_type else '' end
            = owed_since.own_type
    left join rewards on balances.reward_id = rewards.reward_id
    left join campaigns on balances.campaign_id = campaigns.campaign_id
),

final as (
    select
        campaign_id, -- campaign of the reward, else of the recipient; 0 = no campaign
        campaign_name, -- name in the dashboard, up to 200 characters
        reward_id, -- reward definition; 0 = the API names none
        reward_name, -- name of the reward, up to 200 characters
        recipient_id, -- user who is owed (core.users.user_id); 0 = the API names none
        reward_for, -- who receives it, in the API's words
        reward_type, -- kind of reward
        unit, -- what the values are counted in; values of different units must not be added
        due_count, -- rewards due: owed and not yet in process
        due_value, -- value of the rewards due
        in_process_count, -- rewards in process: in the issued list without a date
        in_process_value, -- value of the rewards in process
        due_count + in_process_count as owed_count, -- due and in process together
        due_value + in_process_value as owed_value, -- value of due and in process together
        owed_since_at as first_seen_due_at, -- sync at which the balance last rose from zero, UTC
        is_opening_balance, -- true: it was there at the first sync, so the true age is unknown and larger
        age_days_count, -- calendar days (UTC) since first_seen_due_at
        case
            when age_days_count <= 7 then '0-7'
            when age_days_count <= 30 then '8-30'
            when age_days_count <= 60 then '31-60'
            when age_days_count <= 90 then '61-90'
            else 'over 90'
        end as age_bucket, -- age in days: 0-7, 8-30, 31-60, 61-90, over 90
        case
            when age_days_count <= 7 then 1
            when age_days_count <= 30 then 2
            when age_days_count <= 60 then 3
            when age_days_count <= 90 then 4
            else 5
        end as age_bucket_order -- 1 to 5, the order of the buckets
    from aged
)

select * from final
order by first_seen_due_at, campaign_id, reward_id, recipient_id, reward_type
