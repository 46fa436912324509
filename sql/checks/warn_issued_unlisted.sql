-- rule: a dated reward that leaves the list of rewards issued is due again
-- reads: intermediate.int_issued_latest, intermediate.int_unlisted_issues
-- The vendor says that payouts are never taken back. A reward that is due again is a failed payout, and the ledger takes
-- the issue back. A reward that is not due again stays issued, and this check lists it.

with issued as (
    select * from intermediate.int_issued_latest
),

unlisted as (
    select * from intermediate.int_unlisted_issues
    where is_latest and is_gone and sync_no is not null
),

final as (
    select
        issued.record_id as issued_id,
        unlisted.reward_id,
        unlisted.recipient_id,
        issued.total_count as issued_count,
        issued.total_value as issued_value,
        issued.issued_at,
        issued.deleted_at
    from issued
    inner join unlisted on issued.record_id = unlisted.record_id
    where issued.total_count > unlisted.taken_count
)

select * from final
