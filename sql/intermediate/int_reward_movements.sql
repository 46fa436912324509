-- grain: one row per reward x recipient x reward type (type_no) x sync in which one of the two lists changed
-- reads: intermediate.int_reward_changes
-- money: exact, in the unit of the reward type; never added across units
-- time: by sync; late_from_at UTC
-- By how much each state of a balance changed between two syncs, as the lists show it; marts.reward_ledger makes
-- movements of it. Issued is split by where it was before; entered is what came into the issued list without a date.
-- late: issues that the vendor dates before the sync before began; absence: payouts in process that left the issued
-- list (negative) or are back in it.

with changes as (
    select * from intermediate.int_reward_changes
),

sorted_out as (
    select
        *,
        reward_state = 'due' as is_due,
        reward_state = 'in process' as is_in_process,
        reward_state = 'in process' and is_entry as is_entering,
        reward_state = 'issued' and issued_from = 'due' as is_from_due,
        reward_state = 'issued' and issued_from = 'in process' as is_from_process,
        reward_state = 'issued' and is_late as is_late_issue
    from changes
    where sync_no is not null
),

summed as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        type_no,
        sync_no,
        coalesce(sum(change_count) filter (where is_due), 0) as due_count,
        coalesce(sum(change_value) filter (where is_due), 0) as due_value,
        coalesce(sum(change_count) filter (where is_in_process), 0) as in_process_count,
        coalesce(sum(change_value) filter (where is_in_process), 0) as in_process_value,
        coalesce(sum(change_count) filter (where is_entering), 0) as entered_count,
        coalesce(sum(change_value) filter (where is_entering), 0) as entered_value,
        coalesce(sum(change_count) filter (where is_from_due), 0) as due_issued_count,
        coalesce(sum(change_value) filter (where is_from_due), 0) as due_issued_value,
        coalesce(sum(change_count) filter (where is_from_process), 0) as in_process_issued_count,
        coalesce(sum(change_value) filter (where is_from_process), 0) as in_process_issued_value,
        coalesce(sum(change_count) filter (where is_late_issue), 0) as late_count,
        coalesce(sum(change_value) filter (where is_late_issue), 0) as late_value,
        coalesce(sum(change_count) filter (where is_absence), 0) as absence_count,
        coalesce(sum(change_value) filter (where is_absence), 0) as absence_value,
        min(issued_at) filter (where is_late_issue) as late_from_at
    from sorted_out
    group by campaign_id, reward_id, recipient_id, type_no, sync_no
),

final as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        type_no,
        sync_no,
        cast(due_count as decimal(38, 0)) as due_count,
        due_value,
        cast(in_process_count as decimal(38, 0)) as in_process_count,
        in_process_value,
        cast(entered_count as decimal(38, 0)) as entered_count,
        entered_value,
        cast(due_issued_count as decimal(38, 0)) as due_issued_count,
        due_issued_value,
        cast(in_process_issued_count as decimal(38, 0)) as in_process_issued_count,
        in_process_issued_value,
        -- a row that merely changed its name is taken away and added again: no issue, however old
        cast(greatest(late_count, 0) as decimal(38, 0)) as late_count,
        greatest(late_value, 0) as late_value,
        cast(absence_count as decimal(38, 0)) as absence_count,
        absence_value,
        late_from_at
    from summed
)

select * from final
