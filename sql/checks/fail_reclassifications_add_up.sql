-- rule: what is reclassified out of a campaign, type or unit is reclassified into another one in the same sync
-- reads: marts.reward_ledger
-- Per reward, recipient and sync, for counts and values, in total and for each state. A row may gain or lose its
-- reward_id: where rows of a recipient without a reward move, all rows of the recipient are added up together.
-- Exactly; there is no tolerance.

with ledger as (
    select * from marts.reward_ledger
),

unnamed as (
    select distinct
        recipient_id,
        sync_no
    from ledger
    where
        reward_id = 0
        and (
            reclassified_in_count <> 0
            or reclassified_out_count <> 0
            or reclassified_in_value <> 0
            or reclassified_out_value <> 0
        )
),

moved as (
    select
        ledger.*,
        unnamed.recipient_id is not null as has_unnamed
    from ledger
    left join unnamed on ledger.recipient_id = unnamed.recipient_id and ledger.sync_no = unnamed.sync_no
),

final as (
    select
        case when has_unnamed then 0 else reward_id end as reward_id,
        recipient_id,
        sync_no
    from moved
    group by all
    having
        sum(reclassified_in_count - reclassified_out_count) <> 0
        or sum(reclassified_in_value - reclassified_out_value) <> 0
        or sum(due_reclassified_in_count - due_reclassified_out_count) <> 0
        or sum(due_reclassified_in_value - due_reclassified_out_value) <> 0
        or sum(in_process_reclassified_in_count - in_process_reclassified_out_count) <> 0
        or sum(in_process_reclassified_in_value - in_process_reclassified_out_value) <> 0
)

select * from final
