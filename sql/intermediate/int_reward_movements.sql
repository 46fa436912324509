-- grain: one row per reward x recipient x reward type x sync in which something moved
-- reads: intermediate.int_reward_changes
-- money: exact, in the unit of the row; never added across units
-- time: UTC; sync_at is when the sync began to observe, sync_on its day
-- materialized: table
-- What happened to each balance between two syncs. Owed = due + in process. Issued is what the issued list gained;
-- what is left of the change after that is accrued (if more became owed) or reversed (if less). So
-- opening + accrued - issued - reversed = closing by construction, also where a reward was accrued and issued
-- between two syncs, issued in part, re-priced (a change of value without a change of count) or moved to in process
-- (no movement: still owed). The first sync has no movements: what it finds is the opening balance.

with changes as (
    select * from intermediate.int_reward_changes
),

per_sync as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        reward_type,
        unit,
        sync_no,
        sync_at,
        cast(coalesce(sum(change_count) filter (where reward_state = 'due'), 0) as bigint) as due_count,
        coalesce(sum(change_value) filter (where reward_state = 'due'), 0) as due_value,
        cast(coalesce(sum(change_count) filter (where reward_state = 'in process'), 0) as bigint) as in_process_count,
        coalesce(sum(change_value) filter (where reward_state = 'in process'), 0) as in_process_value,
        cast(coalesce(sum(change_count) filter (where reward_state = 'issued'), 0) as bigint) as issued_count,
        coalesce(sum(change_value) filter (where reward_state = 'issued'), 0) as issued_value
    from changes
    where sync_no is not null
    group by campaign_id, reward_id, recipient_id, reward_type, unit, sync_no, sync_at
),

balanced as (
    select
        *,
        sync_no = 1 as is_first_sync,
        cast(sum(due_count) over running as bigint) as closing_due_count,
        sum(due_value) over running as closing_due_value,
        cast(sum(in_process_count) over running as bigint) as closing_in_process_count,
        sum(in_process_value) over running as closing_in_process_value,
        due_count + in_process_count as owed_change_count,
        due_value + in_process_value as owed_change_value
    from per_sync
    window running as (
        partition by campaign_id, reward_id, recipient_id, reward_type, unit
        order by sync_no rows unbounded preceding
    )
),

moved as (
    select
        *,
        closing_due_count + closing_in_process_count as closing_count,
        closing_due_value + closing_in_process_value as closing_value,
        case when is_first_sync then 0 else issued_count end as moved_issued_count,
        case when is_first_sync then 0 else issued_value end as moved_issued_value,
        case when is_first_sync then 0 else owed_change_count + issued_count end as net_count,
        case when is_first_sync then 0 else owed_change_value + issued_value end as net_value
    from balanced
),

final as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        reward_type,
        unit,
        sync_no,
        sync_at,
        cast(sync_at as date) as sync_on,
        is_first_sync,
        case when is_first_sync then closing_count else closing_count - owed_change_count end as opening_count,
        case when is_first_sync then closing_value else closing_value - owed_change_value end as opening_value,
        greatest(net_count, 0) as accrued_count,
        greatest(net_value, 0) as accrued_value,
        moved_issued_count as issued_count,
        moved_issued_value as issued_value,
        greatest(-net_count, 0) as reversed_count,
        greatest(-net_value, 0) as reversed_value,
        case when net_count = 0 then net_value else 0 end as repriced_value,
        closing_count,
        closing_value,
        closing_due_count,
        closing_due_value,
        closing_in_process_count,
        closing_in_process_value,
        in_process_count as in_process_change_count,
        in_process_value as in_process_change_value
    from moved
    where
        owed_change_count <> 0
        or owed_change_value <> 0
        or due_count <> 0
        or due_value <> 0
        or moved_issued_count <> 0
        or moved_issued_value <> 0
)

select * from final
