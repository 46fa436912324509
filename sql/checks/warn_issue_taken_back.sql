-- rule: issued rewards stay issued
-- reads: marts.reward_ledger
-- According to the vendor, payouts are never reversed. Where the issued list has fewer rewards or less value than before,
-- issued is negative in the roll-forward.

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
