-- rule: the last closing of each balance in the ledger is what the API lists as due and in process for it
-- reads: marts.reward_ledger, core.rewards_due, core.rewards_issued, intermediate.int_reward_changes
-- Per campaign, reward, recipient, type, unit and state, exactly. Not checked while changes of one list, loaded alone,
-- wait for a sync of both lists. Counts are cast to a wider type first: the negated minimum of bigint does not fit into
-- bigint.

with ledger as (
    select * from marts.reward_ledger
),

due as (
    select * from core.rewards_due
),

issued as (
    select * from core.rewards_issued
),

waiting as (
    select count(*) as changes_count
    from intermediate.int_reward_changes
    where sync_no is null
),

sides as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        reward_type,
        unit,
        due_closing_count as due_count,
        due_closing_value as due_value,
        in_process_closing_count as in_process_count,
        in_process_closing_value as in_process_value
    from ledger
    where until_sync_at is null
    union all
    select
        campaign_id,
        coalesce(reward_id, 0) as reward_id,
        coalesce(recipient_id, 0) as recipient_id,
        reward_type,
        unit,
        -cast(due_count as hugeint) as due_count,
        -coalesce(due_value, 0) as due_value,
        0 as in_process_count,
        0 as in_process_value
    from due
    union all
    select
        campaign_id,
        coalesce(reward_id, 0) as reward_id,
        coalesce(recipient_id, 0) as recipient_id,
        reward_type,
        unit,
        0 as due_count,
        0 as due_value,
        -cast(issued_count as hugeint) as in_process_count,
        -coalesce(issued_value, 0) as in_process_value
    from issued
    where is_in_process and deleted_at is null
),

compared as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        reward_type,
        unit,
        sum(due_count) as due_difference_count,
        sum(due_value) as due_difference_value,
        sum(in_process_count) as in_process_difference_count,
        sum(in_process_value) as in_process_difference_value
    from sides
    group by campaign_id, reward_id, recipient_id, reward_type, unit
    having sum(due_count) <> 0 or sum(due_value) <> 0 or sum(in_process_count) <> 0 or sum(in_process_value) <> 0
),

final as (
    select compared.*
    from compared
    cross join waiting
    where waiting.changes_count = 0
)

select * from final
