-- rule: what was issued stays issued
-- reads: intermediate.int_reward_movements
-- The vendor says that payouts are never taken back. Where the issued list shows less than before, the roll-forward
-- has a negative movement.

with movements as (
    select * from intermediate.int_reward_movements
),

final as (
    select
        reward_id,
        recipient_id,
        reward_type,
        sync_no,
        sync_on,
        issued_count,
        issued_value
    from movements
    where issued_count < 0 or issued_value < 0
)

select * from final
