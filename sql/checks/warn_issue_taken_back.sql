-- rule: what was issued stays issued
-- reads: marts.reward_ledger
-- The vendor says that payouts are never taken back. Where the issued list shows less than before, the roll-forward
-- has a negative movement.

with ledger as (
    select * from marts.reward_ledger
),

final as (
    select
        reward_id,
        recipient_id,
        reward_type,
        sync_no,
        sync_at,
        issued_count,
        issued_value
    from ledger
    where issued_count < 0 or issued_value < 0
)

select * from final
