-- grain: one row per reward, recipient, reward type and sync in which something moved (a reward normally has one type)
-- reads: intermediate.int_reward_movements, intermediate.int_reward_types, intermediate.int_sync_points
-- money: exact, in the row's unit; never add values across units
-- time: UTC, without a zone; a row tells of the interval from previous_sync_at to sync_at
-- compression: rle
-- What happened to each balance between two syncs, told from complete lists. Owed = due + in process, and each adds up,
-- for counts and values: due opening + accrued - issued - reversed - moved to process = closing; in process opening +
-- accrued + moved to process - issued - reversed = closing; both together opening + accrued - issued - reversed =
-- closing. Issued is what the issued list gained. Moved to process is what came into the issued list without a date;
-- of what is left, a gain of one state that meets a loss of the other was moved as well, the rest of a gain is accrued,
-- of a loss reversed. Between two rows of a key nothing moved, so a balance as of any moment is the closing of the row
-- with sync_at <= moment and until_sync_at > moment (or null).
-- answers: What happened to the rewards of one person? Why did the liability change between two syncs? What do we know
-- today that an earlier statement did not (where restatement is not null)?
-- wrong: within one interval, accruals and reversals of one balance are seen net. A change of price is in accrued (up)
-- or reversed (down) and told apart (repriced_value) only where the count stood still. What was issued before the first
-- sync is not in it. A reward that is now in another campaign, or counted in another unit, takes its past along.

with movements as (
    select * from intermediate.int_reward_movements
),

types as (
    select * from intermediate.int_reward_types
),

syncs as (
    select
        sync_no,
        sync_at,
        lag(sync_at) over (order by sync_no) as previous_sync_at
    from intermediate.int_sync_points
    where is_sync_point
),

-- The first sync has no movements; what it finds is the opening balance, and what was issued before it is no part of it.
happened as (
    select *
    from movements
    where
        due_count <> 0
        or due_value <> 0
        or in_process_count <> 0
        or in_process_value <> 0
        or (sync_no > 1 and (due_issued_count <> 0 or due_issued_value <> 0))
        or (sync_no > 1 and (in_process_issued_count <> 0 or in_process_issued_value <> 0))
),

balanced as (
    select
        *,
        sync_no = 1 as is_opening_balance,
        sum(due_count) over running as due_closing_count,
        sum(due_value) over running as due_closing_value,
        sum(in_process_count) over running as in_process_closing_count,
        sum(in_process_value) over running as in_process_closing_value,
        lead(sync_no) over running as until_sync_no,
        due_count + due_issued_count + entered_count as due_rest_count,
        due_value + due_issued_value + entered_value as due_rest_value,
        in_process_count + in_process_issued_count - entered_count as in_process_rest_count,
        in_process_value + in_process_issued_value - entered_value as in_process_rest_value
    from happened
    window running as (
        partition by reward_id, recipient_id, type_no
        order by sync_no rows unbounded preceding
    )
),

-- What went from one state to the other without a trace of its own: positive into process, negative back to due.
swapped as (
    select
        *,
        case
            when in_process_rest_count > 0 then least(in_process_rest_count, greatest(-due_rest_count, 0))
            else -least(-in_process_rest_count, greatest(due_rest_count, 0))
        end as swapped_count,
        case
            when swapped_count > 0 then greatest(least(in_process_rest_value, -due_rest_value), 0)
            when swapped_count < 0 then -greatest(least(-in_process_rest_value, due_rest_value), 0)
            else 0
        end as swapped_value
    from balanced
),

netted as (
    select
        *,
        case when is_opening_balance then 0 else due_issued_count end as due_out_count,
        case when is_opening_balance then 0 else due_issued_value end as due_out_value,
        case when is_opening_balance then 0 else in_process_issued_count end as in_process_out_count,
        case when is_opening_balance then 0 else in_process_issued_value end as in_process_out_value,
        case when is_opening_balance then 0 else entered_count + swapped_count end as moved_count,
        case when is_opening_balance then 0 else entered_value + swapped_value end as moved_value,
        case when is_opening_balance then 0 else due_rest_count + swapped_count end as due_net_count,
        case when is_opening_balance then 0 else due_rest_value + swapped_value end as due_net_value,
        case when is_opening_balance then 0 else in_process_rest_count - swapped_count end as in_process_net_count,
        case when is_opening_balance then 0 else in_process_rest_value - swapped_value end as in_process_net_value,
        due_closing_count - case when is_opening_balance then 0 else due_count end as due_opening_count,
        due_closing_value - case when is_opening_balance then 0 else due_value end as due_opening_value,
        in_process_closing_count - case when is_opening_balance then 0 else in_process_count end as in_process_opening_count,
        in_process_closing_value - case when is_opening_balance then 0 else in_process_value end as in_process_opening_value,
        case
            when not is_opening_balance
                then late_count + least(due_issued_count, 0) + least(in_process_issued_count, 0) + greatest(absence_count, 0)
            else 0
        end as restated_count,
        case
            when not is_opening_balance
                then late_value + least(due_issued_value, 0) + least(in_process_issued_value, 0) + greatest(absence_value, 0)
            else 0
        end as restated_value
    from swapped
),

final as (
    select
        netted.campaign_id, -- campaign of the reward, else of the recipient; 0 = unknown
        reward_id, -- reward definition; 0 = the API names none
        recipient_id, -- user who is owed (core.users.user_id); 0 = the API names none
        types.label as reward_type, -- kind of reward
        types.unit, -- what the values are counted in; values of different units must not be added
        netted.sync_no, -- number of the sync that saw both reward lists, from 1
        syncs.sync_at, -- when that sync had seen them, UTC
        syncs.previous_sync_at, -- the sync before it, UTC: where the interval begins; null = this was the first
        until_syncs.sync_at as until_sync_at, -- sync of this key's next row, UTC: until then the closing holds; null = it holds now
        is_opening_balance, -- true: found by the first sync; nothing is known about how it came to be
        due_opening_count + in_process_opening_count as opening_count, -- rewards owed when the interval began
        greatest(due_net_count, 0) + greatest(in_process_net_count, 0) as accrued_count, -- rewards that became owed
        due_out_count + in_process_out_count as issued_count, -- rewards issued; negative = the vendor took an issue back
        greatest(-due_net_count, 0) + greatest(-in_process_net_count, 0)
            as reversed_count, -- rewards no longer owed and not issued
        due_closing_count + in_process_closing_count as closing_count, -- rewards owed at the sync
        due_opening_value + in_process_opening_value as opening_value, -- value owed when the interval began
        greatest(due_net_value, 0) + greatest(in_process_net_value, 0)
            as accrued_value, -- value that became owed, price rises included
        due_out_value + in_process_out_value as issued_value, -- value issued
        greatest(-due_net_value, 0) + greatest(-in_process_net_value, 0)
            as reversed_value, -- value no longer owed and not issued, price cuts included
        due_closing_value + in_process_closing_value as closing_value, -- value owed at the sync
        case when due_net_count = 0 then due_net_value else 0 end
        + case when in_process_net_count = 0 then in_process_net_value else 0 end
            as repriced_value, -- of accrued less reversed: changes of value without a change of count
        due_opening_count, -- rewards due when the interval began
        greatest(due_net_count, 0) as due_accrued_count, -- rewards that fell due
        due_out_count as due_issued_count, -- rewards issued straight from due
        greatest(-due_net_count, 0) as due_reversed_count, -- rewards no longer due, neither issued nor in process
        moved_count as moved_to_process_count, -- rewards that went from due to in process; negative = back to due
        due_closing_count, -- rewards due at the sync
        due_opening_value, -- value due when the interval began
        greatest(due_net_value, 0) as due_accrued_value, -- value that fell due
        due_out_value as due_issued_value, -- value issued straight from due
        greatest(-due_net_value, 0) as due_reversed_value, -- value no longer due, neither issued nor in process
        moved_value as moved_to_process_value, -- value that went from due to in process; negative = back to due
        due_closing_value, -- value due at the sync
        in_process_opening_count, -- rewards in process when the interval began
        greatest(in_process_net_count, 0)
            as in_process_accrued_count, -- rewards in process again that had vanished from the issued list
        in_process_out_count as in_process_issued_count, -- rewards in process that were issued
        greatest(-in_process_net_count, 0) as in_process_reversed_count, -- rewards in process that vanished
        in_process_closing_count, -- rewards in process at the sync
        in_process_opening_value, -- value in process when the interval began
        greatest(in_process_net_value, 0) as in_process_accrued_value, -- their value, and price rises while in process
        in_process_out_value as in_process_issued_value, -- value in process that was issued
        greatest(-in_process_net_value, 0) as in_process_reversed_value, -- value in process that vanished or lost price
        in_process_closing_value, -- value in process at the sync
        case
            when not is_opening_balance
                then nullif(
                    concat_ws(
                        ', ',
                        case when late_count > 0 or late_value > 0 then 'issued earlier' end,
                        case when due_issued_count < 0 or in_process_issued_count < 0 then 'issue taken back' end,
                        case when absence_count > 0 then 'in process again' end
                    ), ''
                )
        end as restatement, -- why an earlier row would read differently today; null = it would not
        restated_count, -- of issued and accrued: rewards that belong to an earlier interval
        restated_value, -- their value
        case when not is_opening_balance and (late_count > 0 or late_value > 0) then late_from_at end
            as restated_from_at -- earliest date of issue among them, UTC; null = none was issued earlier
    from netted
    inner join types on netted.type_no = types.type_no
    inner join syncs on netted.sync_no = syncs.sync_no
    left join syncs as until_syncs on netted.until_sync_no = until_syncs.sync_no
)

select * from final
