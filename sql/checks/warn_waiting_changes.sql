-- rule: no change of a reward list waits for a sync of both lists, so all changes are in the roll-forward
-- reads: intermediate.int_reward_changes
-- Changes seen by a run that loaded one of the two lists alone wait for the next sync of both.

with changes as (
    select * from intermediate.int_reward_changes
),

final as (
    select
        reward_id,
        recipient_id,
        change_at
    from changes
    where sync_no is null
)

select * from final
