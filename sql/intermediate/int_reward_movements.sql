-- grain: one row per campaign x reward x recipient x reward type (type_no) x sync in which one of the two lists changed
-- reads: intermediate.int_reward_changes, intermediate.int_unlisted_issues
-- money: exact, in the unit of the reward type; never added across units
-- time: by sync; late_from_at UTC
-- By how much each state of a balance changed between two syncs according to the lists; int_reward_ledger derives the
-- movements from it. Issued is split by the state before; entered: what came into the issued list without a date; late:
-- issues that the vendor dates before the beginning of the previous sync; absence: payouts in process that left the
-- issued list (negative) or are back in it, from sync to sync; taken_back: issued rewards that left the list and are due
-- again. Those that return to the list are issued again from due. due_rest and in_process_rest are the changes of the two
-- states that these do not explain. Prices are those of the row that is due; null where several rows changed, or where
-- the value is not count times price.

with changes as (
    select * from intermediate.int_reward_changes
),

unlisted as (
    select * from intermediate.int_unlisted_issues
    where taken_count > 0
),

-- From sync to sync: a payout that left and came back in between was not absent, and one whose place changed meanwhile has
-- not reappeared.
absences as (
    select
        *,
        min(campaign_id) over every_change <> max(campaign_id) over every_change
        or min(type_no) over every_change <> max(type_no) over every_change as is_place_changed,
        first_value(direction) over row_changes as first_direction,
        lead(direction) over row_changes is null as is_last
    from changes
    where is_absence and reward_state = 'in process'
    window
        every_change as (partition by record_id, sync_no),
        row_changes as (partition by record_id, sync_no order by change_at asc, direction desc)
),

booked as (
    select * from changes
    where reward_state <> 'unlisted'
    union all by name
    select * exclude (is_place_changed, first_direction, is_last) replace ('absence' as reward_state)
    from absences
    where is_last and direction = first_direction and not is_place_changed and (direction = -1 or not is_carried)
    union all by name
    select
        * exclude (is_gone, is_latest, taken_count, taken_value),
        case when is_gone then 'unlisted' else 'issued' end as reward_state,
        'due' as issued_from,
        1 as direction,
        false as is_absence,
        false as is_carried,
        false as is_entry,
        taken_count as change_count,
        taken_value as change_value
    from unlisted
),

classified as (
    select
        *,
        reward_state = 'due' as is_due,
        reward_state = 'in process' as is_in_process,
        reward_state = 'in process' and is_entry as is_entering,
        reward_state = 'issued' and issued_from = 'due' as is_from_due,
        reward_state = 'issued' and issued_from = 'in process' as is_from_process,
        reward_state = 'issued' and is_late as is_late_issue,
        reward_state = 'absence' as is_netted_absence,
        reward_state = 'unlisted' as is_unlisted
    from booked
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
        coalesce(sum(change_count) filter (where is_netted_absence), 0) as absence_count,
        coalesce(sum(change_value) filter (where is_netted_absence), 0) as absence_value,
        coalesce(sum(change_count) filter (where is_unlisted), 0) as taken_back_count,
        coalesce(sum(change_value) filter (where is_unlisted), 0) as taken_back_value,
        min(issued_at) filter (where is_late_issue and (change_count <> 0 or change_value <> 0)) as late_from_at,
        case
            when min(record_id) filter (where is_due) = max(record_id) filter (where is_due)
                then coalesce(
                    arg_max(price, change_at) filter (where is_due and direction = 1),
                    max(price) filter (where is_from_due or is_entering)
                )
            when min(record_id) filter (where is_due) is null then max(price) filter (where is_from_due or is_entering)
        end as price_after,
        case
            when min(record_id) filter (where is_due) = max(record_id) filter (where is_due)
                then arg_min(price, change_at) filter (where is_due and direction = -1)
        end as price_before,
        count(*) filter (where price is null and (is_due or is_from_due or is_entering)) as unpriced_count
    from classified
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
        cast(due_count + due_issued_count + entered_count as decimal(38, 0)) as due_rest_count,
        due_value + due_issued_value + entered_value as due_rest_value,
        cast(in_process_count + in_process_issued_count - entered_count as decimal(38, 0)) as in_process_rest_count,
        in_process_value + in_process_issued_value - entered_value as in_process_rest_value,
        -- a reduced issue is not issued again, however old it is
        cast(greatest(late_count, 0) as decimal(38, 0)) as late_count,
        greatest(late_value, 0) as late_value,
        cast(absence_count as decimal(38, 0)) as absence_count,
        absence_value,
        cast(taken_back_count as decimal(38, 0)) as taken_back_count,
        taken_back_value,
        late_from_at,
        case when unpriced_count = 0 then price_before end as price_before,
        case when unpriced_count = 0 then price_after end as price_after
    from summed
)

select * from final
