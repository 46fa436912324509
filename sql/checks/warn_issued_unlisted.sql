-- rule: a dated reward that leaves the list of rewards issued is due again
-- reads: intermediate.int_issued_latest, intermediate.int_reward_movements, intermediate.int_reward_ledger
-- The vendor says that payouts are never taken back. One that is due again is a payout that failed: the ledger takes the
-- issue back. Of one that is not, nothing is known: it stays issued, and each row of the reward and recipient that left
-- the list is named here.

with issued as (
    select * from intermediate.int_issued_latest
),

movements as (
    select * from intermediate.int_reward_movements
),

ledger as (
    select * from intermediate.int_reward_ledger
),

unlisted as (
    select
        reward_id,
        recipient_id,
        sum(unlisted_count) as unlisted_count
    from movements
    where unlisted_count <> 0
    group by reward_id, recipient_id
),

taken_back as (
    select
        reward_id,
        recipient_id,
        sum(taken_back_count) as taken_back_count
    from ledger
    where taken_back_count <> 0
    group by reward_id, recipient_id
),

unexplained as (
    select
        unlisted.reward_id,
        unlisted.recipient_id
    from unlisted
    left join taken_back
        on unlisted.reward_id = taken_back.reward_id and unlisted.recipient_id = taken_back.recipient_id
    where unlisted.unlisted_count > coalesce(taken_back.taken_back_count, 0)
),

final as (
    select
        issued.record_id as issued_id,
        unexplained.reward_id,
        unexplained.recipient_id,
        issued.total_count as issued_count,
        issued.total_value as issued_value,
        issued.issued_at,
        issued.deleted_at
    from issued
    inner join unexplained
        on
            coalesce(issued.reward_id, 0) = unexplained.reward_id
            and coalesce(issued.recipient_id, 0) = unexplained.recipient_id
    where issued.reward_state = 'issued' and issued.deleted_at is not null
)

select * from final
