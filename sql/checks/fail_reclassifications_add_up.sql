-- rule: what leaves a campaign or a reward type comes to another one in the same sync: in and out are equal
-- reads: marts.reward_ledger
-- Per reward, recipient and sync, for counts and values, in total and for each state. To the cent; there is no tolerance.

with ledger as (
    select * from marts.reward_ledger
),

final as (
    select
        reward_id,
        recipient_id,
        sync_no
    from ledger
    group by reward_id, recipient_id, sync_no
    having
        sum(reclassified_in_count - reclassified_out_count) <> 0
        or sum(reclassified_in_value - reclassified_out_value) <> 0
        or sum(due_reclassified_in_count - due_reclassified_out_count) <> 0
        or sum(due_reclassified_in_value - due_reclassified_out_value) <> 0
        or sum(in_process_reclassified_in_count - in_process_reclassified_out_count) <> 0
        or sum(in_process_reclassified_in_value - in_process_reclassified_out_value) <> 0
)

select * from final
