-- rule: each row of the ledger adds up, for due, for in process and together
-- reads: marts.reward_ledger
-- Exactly; there is no tolerance.

with ledger as (
    select * from marts.reward_ledger
),

final as (
    select
        reward_id,
        recipient_id,
        reward_type,
        sync_no,
        closing_count,
        closing_value
    from ledger
    where
        opening_count + accrued_count + reclassified_in_count - issued_count - reversed_count - reclassified_out_count
        <> closing_count
        or opening_value + accrued_value + reclassified_in_value - issued_value - reversed_value - reclassified_out_value
        <> closing_value
        or due_opening_count + due_accrued_count + due_reclassified_in_count - due_issued_count - due_reversed_count
        - due_reclassified_out_count - moved_to_process_count
        <> due_closing_count
        or due_opening_value + due_accrued_value + due_reclassified_in_value - due_issued_value - due_reversed_value
        - due_reclassified_out_value - moved_to_process_value
        <> due_closing_value
        or in_process_opening_count + in_process_accrued_count + moved_to_process_count
        + in_process_reclassified_in_count - in_process_issued_count - in_process_reversed_count
        - in_process_reclassified_out_count
        <> in_process_closing_count
        or in_process_opening_value + in_process_accrued_value + moved_to_process_value
        + in_process_reclassified_in_value - in_process_issued_value - in_process_reversed_value
        - in_process_reclassified_out_value
        <> in_process_closing_value
        or due_closing_count + in_process_closing_count <> closing_count
        or due_closing_value + in_process_closing_value <> closing_value
        or closing_count is null
        or closing_value is null
)

select * from final
