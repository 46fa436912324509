-- rule: each balance of the ledger begins with the closing of its previous row, or with zero, and ends at its next row
-- reads: marts.reward_ledger
-- Compared by sums per reward and recipient, because comparing neighbouring rows costs a second per million rows: the sum
-- of all openings, without what the first sync found, equals the sum of all closings but the last, and the sum of all
-- until_sync_at equals that of the sync_at of later rows.

with ledger as (
    select * from marts.reward_ledger
),

final as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        reward_type,
        unit,
        count(*) as rows_count
    from ledger
    group by campaign_id, reward_id, recipient_id, reward_type, unit
    having
        sum(case when is_opening_balance then 0 else due_opening_count end)
        <> sum(case when until_sync_at is null then 0 else due_closing_count end)
        or sum(case when is_opening_balance then 0 else due_opening_value end)
        <> sum(case when until_sync_at is null then 0 else due_closing_value end)
        or sum(case when is_opening_balance then 0 else in_process_opening_count end)
        <> sum(case when until_sync_at is null then 0 else in_process_closing_count end)
        or sum(case when is_opening_balance then 0 else in_process_opening_value end)
        <> sum(case when until_sync_at is null then 0 else in_process_closing_value end)
        or count(*) <> count(until_sync_at) + 1
        or sum(epoch_us(until_sync_at)) <> sum(epoch_us(sync_at)) - epoch_us(min(sync_at))
)

select * from final
