-- grain: one row per campaign x reward x recipient x reward type x sync in which the balance changed
-- reads: intermediate.int_reward_movements, intermediate.int_reward_reclassifications, intermediate.int_reward_types,
--   intermediate.int_sync_points
-- money: exact, in the unit of the reward type; never added across units
-- time: UTC, without a zone
-- materialized: table
-- compression: rle
-- The rows of marts.reward_ledger, which documents the columns. They are computed here because the daily balances, the
-- list of what is owed and the daily funnel need them too, and no mart reads a mart. taken_back_count (not published):
-- issued rewards that left the list and are due again.

with movements as (
    select * from intermediate.int_reward_movements
),

reclassifications as (
    select * from intermediate.int_reward_reclassifications
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

-- The first sync has no movements: what it finds is the opening balance. Rewards issued before it are not included.
placed as (
    select
        movements.* exclude (taken_back_count, taken_back_value),
        coalesce(moved.due_in_count, 0) as due_in_count,
        coalesce(moved.due_in_value, 0) as due_in_value,
        coalesce(moved.due_out_count, 0) as due_out_count,
        coalesce(moved.due_out_value, 0) as due_out_value,
        coalesce(moved.in_process_in_count, 0) as in_process_in_count,
        coalesce(moved.in_process_in_value, 0) as in_process_in_value,
        coalesce(moved.in_process_out_count, 0) as in_process_out_count,
        coalesce(moved.in_process_out_value, 0) as in_process_out_value,
        movements.taken_back_count + coalesce(moved.taken_back_shift_count, 0) as taken_back_count,
        movements.taken_back_value + coalesce(moved.taken_back_shift_value, 0) as taken_back_value
    from movements
    left join reclassifications as moved
        on
            movements.reward_id = moved.reward_id
            and movements.recipient_id = moved.recipient_id
            and movements.sync_no = moved.sync_no
            and movements.campaign_id = moved.campaign_id
            and movements.type_no = moved.type_no
    where
        movements.due_count <> 0
        or movements.due_value <> 0
        or movements.in_process_count <> 0
        or movements.in_process_value <> 0
        or (
            movements.sync_no > 1
            and (
                movements.due_issued_count <> movements.taken_back_count + coalesce(moved.taken_back_shift_count, 0)
                or movements.due_issued_value <> movements.taken_back_value + coalesce(moved.taken_back_shift_value, 0)
                or movements.late_count <> movements.taken_back_count + coalesce(moved.taken_back_shift_count, 0)
                or movements.late_value <> movements.taken_back_value + coalesce(moved.taken_back_shift_value, 0)
            )
        )
        or (movements.sync_no > 1 and (movements.in_process_issued_count <> 0 or movements.in_process_issued_value <> 0))
        or moved.due_in_count + moved.due_out_count + moved.in_process_in_count + moved.in_process_out_count <> 0
        or moved.due_in_value + moved.due_out_value + moved.in_process_in_value + moved.in_process_out_value <> 0
),

-- The rest of a change is what neither the lists nor a reclassification explain.
balanced as (
    select
        * replace (
            due_rest_count - due_in_count + due_out_count as due_rest_count,
            due_rest_value - due_in_value + due_out_value as due_rest_value,
            in_process_rest_count - in_process_in_count + in_process_out_count as in_process_rest_count,
            in_process_rest_value - in_process_in_value + in_process_out_value as in_process_rest_value
        ),
        sync_no = 1 as is_opening_balance,
        sum(due_count) over running as due_closing_count,
        sum(due_value) over running as due_closing_value,
        sum(in_process_count) over running as in_process_closing_count,
        sum(in_process_value) over running as in_process_closing_value,
        lead(sync_no) over running as until_sync_no
    from placed
    window running as (partition by campaign_id, reward_id, recipient_id, type_no order by sync_no rows unbounded preceding)
),

-- What is due again because an issue was taken back is not accrued.
taken_back as (
    select
        *,
        due_rest_count - taken_back_count as due_change_count,
        due_rest_value - taken_back_value as due_change_value
    from balanced
),

-- Where one of due and in process gained and the other lost without another reason, the common part is taken for a move
-- between them: positive = into process, negative = back to due.
with_inferred_moves as (
    select
        *,
        case
            when in_process_rest_count > 0 then least(in_process_rest_count, greatest(-due_change_count, 0))
            else -least(-in_process_rest_count, greatest(due_change_count, 0))
        end as inferred_move_count,
        case
            when inferred_move_count > 0 then greatest(least(in_process_rest_value, -due_change_value), 0)
            when inferred_move_count < 0 then -greatest(least(-in_process_rest_value, due_change_value), 0)
            else 0
        end as inferred_move_value
    from taken_back
),

netted as (
    select
        *,
        case when is_opening_balance then 0 else due_issued_count - taken_back_count end as due_net_issued_count,
        case when is_opening_balance then 0 else due_issued_value - taken_back_value end as due_net_issued_value,
        case when is_opening_balance then 0 else in_process_issued_count end as in_process_net_issued_count,
        case when is_opening_balance then 0 else in_process_issued_value end as in_process_net_issued_value,
        case when is_opening_balance then 0 else entered_count + inferred_move_count end as moved_count,
        case when is_opening_balance then 0 else entered_value + inferred_move_value end as moved_value,
        case when is_opening_balance then 0 else due_change_count + inferred_move_count end as due_net_count,
        case when is_opening_balance then 0 else due_change_value + inferred_move_value end as due_net_value,
        case when is_opening_balance then 0 else in_process_rest_count - inferred_move_count end as in_process_net_count,
        case when is_opening_balance then 0 else in_process_rest_value - inferred_move_value end as in_process_net_value,
        due_closing_count - case when is_opening_balance then 0 else due_count end as due_opening_count,
        due_closing_value - case when is_opening_balance then 0 else due_value end as due_opening_value,
        in_process_closing_count - case when is_opening_balance then 0 else in_process_count end as in_process_opening_count,
        in_process_closing_value - case when is_opening_balance then 0 else in_process_value end as in_process_opening_value,
        case
            when not is_opening_balance
                then
                    late_count
                    + least(due_issued_count, 0)
                    + least(in_process_issued_count, 0)
                    + greatest(absence_count, 0)
                    - taken_back_count
            else 0
        end as restated_count,
        case
            when not is_opening_balance
                then
                    late_value
                    + least(due_issued_value, 0)
                    + least(in_process_issued_value, 0)
                    + greatest(absence_value, 0)
                    - taken_back_value
            else 0
        end as restated_value
    from with_inferred_moves
),

-- The price separates a change of value from a change of count: accruals are valued at the new price, what was
-- reversed at the old one. Without a price, or where the product is too large, only where the count did not change.
priced as (
    select
        *,
        coalesce(
            case
                when due_net_count = 0 then due_net_value
                when due_net_count > 0 then try(due_net_value - due_net_count * price_after)
                else try(due_net_value - due_net_count * price_before)
            end, 0
        ) as due_repriced_value
    from netted
),

final as (
    select
        priced.campaign_id,
        reward_id,
        recipient_id,
        types.label as reward_type,
        types.unit,
        priced.sync_no,
        syncs.sync_at,
        syncs.previous_sync_at,
        until_syncs.sync_at as until_sync_at,
        is_opening_balance,
        due_opening_count + in_process_opening_count as opening_count,
        greatest(due_net_count, 0) + greatest(in_process_net_count, 0) as accrued_count,
        due_net_issued_count + in_process_net_issued_count as issued_count,
        greatest(-due_net_count, 0) + greatest(-in_process_net_count, 0) as reversed_count,
        due_in_count + in_process_in_count as reclassified_in_count,
        due_out_count + in_process_out_count as reclassified_out_count,
        due_closing_count + in_process_closing_count as closing_count,
        due_opening_value + in_process_opening_value as opening_value,
        greatest(due_net_value, 0) + greatest(in_process_net_value, 0) as accrued_value,
        due_net_issued_value + in_process_net_issued_value as issued_value,
        greatest(-due_net_value, 0) + greatest(-in_process_net_value, 0) as reversed_value,
        due_in_value + in_process_in_value as reclassified_in_value,
        due_out_value + in_process_out_value as reclassified_out_value,
        due_closing_value + in_process_closing_value as closing_value,
        due_repriced_value + case when in_process_net_count = 0 then in_process_net_value else 0 end as repriced_value,
        due_opening_count,
        greatest(due_net_count, 0) as due_accrued_count,
        due_net_issued_count as due_issued_count,
        greatest(-due_net_count, 0) as due_reversed_count,
        moved_count as moved_to_process_count,
        due_in_count as due_reclassified_in_count,
        due_out_count as due_reclassified_out_count,
        due_closing_count,
        due_opening_value,
        greatest(due_net_value, 0) as due_accrued_value,
        due_net_issued_value as due_issued_value,
        greatest(-due_net_value, 0) as due_reversed_value,
        moved_value as moved_to_process_value,
        due_in_value as due_reclassified_in_value,
        due_out_value as due_reclassified_out_value,
        due_closing_value,
        in_process_opening_count,
        greatest(in_process_net_count, 0) as in_process_accrued_count,
        in_process_net_issued_count as in_process_issued_count,
        greatest(-in_process_net_count, 0) as in_process_reversed_count,
        in_process_in_count as in_process_reclassified_in_count,
        in_process_out_count as in_process_reclassified_out_count,
        in_process_closing_count,
        in_process_opening_value,
        greatest(in_process_net_value, 0) as in_process_accrued_value,
        in_process_net_issued_value as in_process_issued_value,
        greatest(-in_process_net_value, 0) as in_process_reversed_value,
        in_process_in_value as in_process_reclassified_in_value,
        in_process_out_value as in_process_reclassified_out_value,
        in_process_closing_value,
        case
            when not is_opening_balance
                then nullif(
                    concat_ws(
                        ', ',
                        case when late_count > 0 or late_value > 0 then 'issued earlier' end,
                        case
                            when due_issued_count < 0 or in_process_issued_count < 0 or taken_back_count > 0
                                then 'issue taken back'
                        end,
                        case when absence_count > 0 then 'in process again' end
                    ), ''
                )
        end as restatement,
        restated_count,
        restated_value,
        case when not is_opening_balance and (late_count > 0 or late_value > 0) then late_from_at end
            as restated_from_at,
        taken_back_count
    from priced
    inner join types on priced.type_no = types.type_no
    inner join syncs on priced.sync_no = syncs.sync_no
    left join syncs as until_syncs on priced.until_sync_no = until_syncs.sync_no
)

select * from final
