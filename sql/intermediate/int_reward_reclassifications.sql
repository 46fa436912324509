-- grain: one row per campaign x reward x recipient x reward type (type_no) x sync that a balance left or came to
-- reads: intermediate.int_reward_movements, intermediate.int_reward_row_moves
-- money: exact; what leaves one place comes to another, so values add up to zero over the places of a balance
-- time: by sync
-- materialized: table
-- A place is a campaign and a reward type. When a reward definition moves to another campaign, or its type gets another
-- name, the lists show a loss in one place and a gain in another for the same reward and recipient. The count that was
-- both lost in some places and gained in others has changed its place; the rest is an ordinary movement. What leaves a
-- place takes its share of the value that was lost there to the new place. taken_back_shift: an issued reward that left
-- the list did so in its old place; it is due again in the new one, so what is taken back counts where most became due.
-- Two rows that name no reward are known to be the same only if they have the same id in the same list:
-- int_reward_row_moves has those, with the whole value of each.

with movements as (
    select * from intermediate.int_reward_movements
),

row_moves as (
    select * from intermediate.int_reward_row_moves
),

row_sides as (
    select
        from_campaign_id as campaign_id,
        from_reward_id as reward_id,
        recipient_id,
        from_type_no as type_no,
        sync_no,
        state,
        0 as in_count,
        0 as in_value,
        moved_count as out_count,
        moved_value as out_value
    from row_moves
    union all
    select
        to_campaign_id as campaign_id,
        to_reward_id as reward_id,
        recipient_id,
        to_type_no as type_no,
        sync_no,
        state,
        moved_count as in_count,
        moved_value as in_value,
        0 as out_count,
        0 as out_value
    from row_moves
),

row_places as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        type_no,
        sync_no,
        coalesce(sum(in_count) filter (where state = 'due'), 0) as due_in_count,
        coalesce(sum(in_value) filter (where state = 'due'), 0) as due_in_value,
        coalesce(sum(out_count) filter (where state = 'due'), 0) as due_out_count,
        coalesce(sum(out_value) filter (where state = 'due'), 0) as due_out_value,
        coalesce(sum(in_count) filter (where state = 'in process'), 0) as in_process_in_count,
        coalesce(sum(in_value) filter (where state = 'in process'), 0) as in_process_in_value,
        coalesce(sum(out_count) filter (where state = 'in process'), 0) as in_process_out_count,
        coalesce(sum(out_value) filter (where state = 'in process'), 0) as in_process_out_value
    from row_sides
    group by campaign_id, reward_id, recipient_id, type_no, sync_no
),

several_places as (
    select
        reward_id,
        recipient_id,
        sync_no
    from movements
    where reward_id <> 0 and sync_no > 1
    group by reward_id, recipient_id, sync_no
    having count(*) > 1
),

states as (
    select
        movements.campaign_id,
        movements.reward_id,
        movements.recipient_id,
        movements.type_no,
        movements.sync_no,
        movements.taken_back_count,
        movements.taken_back_value,
        unnest([
            {
                'state': 'due',
                'count': movements.due_rest_count - coalesce(row_places.due_in_count - row_places.due_out_count, 0),
                'value': movements.due_rest_value - coalesce(row_places.due_in_value - row_places.due_out_value, 0)
            },
            {
                'state': 'in process',
                'count': movements.in_process_rest_count
                - coalesce(row_places.in_process_in_count - row_places.in_process_out_count, 0),
                'value': movements.in_process_rest_value
                - coalesce(row_places.in_process_in_value - row_places.in_process_out_value, 0)
            }
        ]) as part
    from movements
    inner join several_places
        on
            movements.reward_id = several_places.reward_id
            and movements.recipient_id = several_places.recipient_id
            and movements.sync_no = several_places.sync_no
    left join row_places
        on
            movements.reward_id = row_places.reward_id
            and movements.recipient_id = row_places.recipient_id
            and movements.sync_no = row_places.sync_no
            and movements.campaign_id = row_places.campaign_id
            and movements.type_no = row_places.type_no
),

sides as (
    select
        states.campaign_id,
        states.reward_id,
        states.recipient_id,
        states.type_no,
        states.sync_no,
        states.taken_back_count,
        states.taken_back_value,
        states.part.state as state,
        states.part.value as rest_value,
        greatest(-states.part.count, 0) as lost_count,
        greatest(states.part.count, 0) as gained_count
    from states
),

shared as (
    select
        *,
        least(sum(lost_count) over balance, sum(gained_count) over balance) as moved_count,
        sum(lost_count) over places as lost_upto_count,
        sum(gained_count) over places as gained_upto_count
    from sides
    window
        balance as (partition by reward_id, recipient_id, sync_no, state),
        places as (
            partition by reward_id, recipient_id, sync_no, state
            order by campaign_id, type_no rows unbounded preceding
        )
),

counted as (
    select
        *,
        greatest(least(lost_upto_count, moved_count) - (lost_upto_count - lost_count), 0) as out_count,
        greatest(least(gained_upto_count, moved_count) - (gained_upto_count - gained_count), 0) as in_count
    from shared
),

with_out_value as (
    select
        *,
        case
            when out_count = 0 then 0
            when out_count = lost_count then -rest_value
            else cast(round(cast(-rest_value as double) * out_count / lost_count, getvariable('amount_digits')) as decimal(38, 6))
        end as out_value
    from counted
),

totalled as (
    select
        *,
        sum(out_value) over (partition by reward_id, recipient_id, sync_no, state) as moved_value,
        least(gained_upto_count, moved_count) as to_count,
        least(gained_upto_count - gained_count, moved_count) as from_count
    from with_out_value
),

-- The value up to a number of rewards; exact for none and for all of them, so that nothing is lost by rounding.
valued as (
    select
        *,
        case
            when to_count = moved_count then moved_value
            when to_count = 0 then 0
            else cast(round(cast(moved_value as double) * to_count / moved_count, getvariable('amount_digits')) as decimal(38, 6))
        end - case
            when from_count = moved_count then moved_value
            when from_count = 0 then 0
            else cast(round(cast(moved_value as double) * from_count / moved_count, getvariable('amount_digits')) as decimal(38, 6))
        end as in_value
    from totalled
),

moved as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        type_no,
        sync_no,
        any_value(taken_back_count) as taken_back_count,
        any_value(taken_back_value) as taken_back_value,
        coalesce(sum(gained_count - in_count) filter (where state = 'due'), 0) as due_again_count,
        coalesce(sum(in_count) filter (where state = 'due'), 0) as due_in_count,
        coalesce(sum(in_value) filter (where state = 'due'), 0) as due_in_value,
        coalesce(sum(out_count) filter (where state = 'due'), 0) as due_out_count,
        coalesce(sum(out_value) filter (where state = 'due'), 0) as due_out_value,
        coalesce(sum(in_count) filter (where state = 'in process'), 0) as in_process_in_count,
        coalesce(sum(in_value) filter (where state = 'in process'), 0) as in_process_in_value,
        coalesce(sum(out_count) filter (where state = 'in process'), 0) as in_process_out_count,
        coalesce(sum(out_value) filter (where state = 'in process'), 0) as in_process_out_value
    from valued
    group by campaign_id, reward_id, recipient_id, type_no, sync_no
),

ranked as (
    select
        *,
        sum(taken_back_count) over balance as all_taken_back_count,
        sum(taken_back_value) over balance as all_taken_back_value,
        row_number() over (balance order by due_again_count desc, campaign_id asc, type_no asc) = 1 as is_due_again
    from moved
    window balance as (partition by reward_id, recipient_id, sync_no)
),

shifted as (
    select
        * exclude (taken_back_count, taken_back_value, due_again_count, all_taken_back_count, all_taken_back_value, is_due_again),
        case when is_due_again then all_taken_back_count else 0 end - taken_back_count as taken_back_shift_count,
        case when is_due_again then all_taken_back_value else 0 end - taken_back_value as taken_back_shift_value
    from ranked
),

both_kinds as (
    select * from shifted
    union all by name
    select
        *,
        0 as taken_back_shift_count,
        0 as taken_back_shift_value
    from row_places
),

final as (
    select
        campaign_id,
        reward_id,
        recipient_id,
        type_no,
        sync_no,
        sum(due_in_count) as due_in_count,
        sum(due_in_value) as due_in_value,
        sum(due_out_count) as due_out_count,
        sum(due_out_value) as due_out_value,
        sum(in_process_in_count) as in_process_in_count,
        sum(in_process_in_value) as in_process_in_value,
        sum(in_process_out_count) as in_process_out_count,
        sum(in_process_out_value) as in_process_out_value,
        sum(taken_back_shift_count) as taken_back_shift_count,
        sum(taken_back_shift_value) as taken_back_shift_value
    from both_kinds
    group by campaign_id, reward_id, recipient_id, type_no, sync_no
)

select * from final
