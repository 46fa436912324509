-- grain: one row per reward x recipient x reward type that is owed at the last sync point
-- reads: intermediate.int_reward_movements
-- money: none
-- time: UTC
-- Since when something has been owed without a break, seen from us: the sync at which the balance last left zero.
-- The unit of age is the balance, not the single reward: a second reward for the same person does not make the
-- balance younger.

with movements as (
    select * from intermediate.int_reward_movements
),

spells as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        reward_type,
        max_by(closing_count, sync_no) as closing_count,
        max_by(closing_value, sync_no) as closing_value,
        max(sync_no) filter (
            where (is_first_sync or (opening_count = 0 and opening_value = 0)) and (closing_count <> 0 or closing_value <> 0)
        ) as since_sync_no,
        max(sync_at) filter (
            where (is_first_sync or (opening_count = 0 and opening_value = 0)) and (closing_count <> 0 or closing_value <> 0)
        ) as owed_since_at
    from movements
    group by campaign_id, reward_id, recipient_id, reward_type
),

final as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        reward_type,
        owed_since_at,
        since_sync_no = 1 as is_opening_balance
    from spells
    where closing_count <> 0 or closing_value <> 0
)

select * from final
