-- grain: one row per row of the list of rewards issued that had a date, and sync at which it has left the list or is back
-- reads: intermediate.int_reward_changes, intermediate.int_reward_row_moves, intermediate.int_reward_versions,
--   intermediate.int_reward_change_times
-- money: taken_value in the row's unit, exact for a whole row, else its share, rounded to the published digits
-- time: by sync; null = it waits for the next
-- materialized: table
-- How much of an issued reward that left the list is taken back: as many rewards as became due again for the recipient at
-- the same sync, less those issued of them; of several rows that left, those with the lowest ids first. A row that
-- returns is issued again, as far as it had been taken back and regardless of what is due, so each row of the list counts
-- as issued once. Changes of a row between two syncs are netted. A row that names a definition is due again in whatever
-- place the definition has; a row that names none, in its own place. Place, date and price of a row that returned are
-- those that the sync found; is_late as in int_reward_changes. The first sync has no movements, so nothing is taken back
-- at it. taken_count: for a row that returned, how many had been taken back.

with changes as (
    select * from intermediate.int_reward_changes
),

row_moves as (
    select * from intermediate.int_reward_row_moves
    where state = 'due'
),

versions as (
    select
        record_id,
        campaign_id,
        coalesce(reward_id, 0) as reward_id,
        coalesce(recipient_id, 0) as recipient_id,
        type_no,
        issued_at,
        latest_issue_at,
        price,
        seen_from_at
    from intermediate.int_reward_versions
    where list_name = 'issued'
),

change_times as (
    select * from intermediate.int_reward_change_times
),

ordered as (
    select
        *,
        first_value(direction) over row_changes as first_direction,
        lead(direction) over row_changes is null as is_last
    from changes
    where reward_state = 'unlisted'
    window row_changes as (partition by record_id, sync_no order by change_at asc, direction desc)
),

absences as (
    select
        *,
        direction = -1 as is_gone,
        case when reward_id = 0 then campaign_id else 0 end as due_campaign_id,
        case when reward_id = 0 then type_no else 0 end as due_type_no
    from ordered
    where is_last and direction = first_direction
),

balances as (
    select distinct
        reward_id,
        recipient_id,
        due_campaign_id,
        due_type_no,
        sync_no
    from absences
    where is_gone and sync_no > 1
),

due_changes as (
    select
        reward_id,
        recipient_id,
        campaign_id,
        type_no,
        sync_no,
        change_count
    from changes
    where
        reward_state = 'due'
        or (reward_state = 'issued' and issued_from = 'due')
        or (reward_state = 'in process' and is_entry)
    union all
    select
        from_reward_id as reward_id,
        recipient_id,
        from_campaign_id as campaign_id,
        from_type_no as type_no,
        sync_no,
        moved_count as change_count
    from row_moves
    union all
    select
        to_reward_id as reward_id,
        recipient_id,
        to_campaign_id as campaign_id,
        to_type_no as type_no,
        sync_no,
        -moved_count as change_count
    from row_moves
),

due_again as (
    select
        balances.*,
        sum(due_changes.change_count) as due_again_count
    from balances
    inner join due_changes
        on
            balances.reward_id = due_changes.reward_id
            and balances.recipient_id = due_changes.recipient_id
            and balances.sync_no = due_changes.sync_no
            and (
                balances.reward_id <> 0
                or (balances.due_campaign_id = due_changes.campaign_id and balances.due_type_no = due_changes.type_no)
            )
    group by all
    having sum(due_changes.change_count) > 0
),

taken as (
    select
        absences.* exclude (change_count, change_value),
        -absences.change_count as gone_count,
        -absences.change_value as gone_value,
        case
            when absences.is_gone
                then greatest(
                    least(
                        coalesce(due_again.due_again_count, 0)
                        + gone_count
                        - sum(gone_count) over (
                            partition by
                                absences.reward_id,
                                absences.recipient_id,
                                absences.due_campaign_id,
                                absences.due_type_no,
                                absences.sync_no,
                                absences.is_gone
                            order by absences.record_id
                        ), gone_count
                    ), 0
                )
        end as now_taken_count,
        case
            when now_taken_count = 0 then 0
            when now_taken_count = gone_count then gone_value
            when now_taken_count > 0
                then cast(
                    round(cast(gone_value as double) * now_taken_count / gone_count, getvariable('amount_digits'))
                    as decimal(38, 6)
                )
        end as now_taken_value
    from absences
    left join due_again
        on
            absences.reward_id = due_again.reward_id
            and absences.recipient_id = due_again.recipient_id
            and absences.due_campaign_id = due_again.due_campaign_id
            and absences.due_type_no = due_again.due_type_no
            and absences.sync_no = due_again.sync_no
),

with_neighbours as (
    select
        *,
        lead(record_id) over syncs is null as is_latest,
        case when is_gone then now_taken_count else coalesce(lag(now_taken_count) over syncs, 0) end as taken_count,
        case when is_gone then now_taken_value else coalesce(lag(now_taken_value) over syncs, 0) end as taken_value
    from taken
    window syncs as (partition by record_id order by sync_no asc nulls last)
),

returned_versions as (
    select
        with_neighbours.record_id,
        with_neighbours.sync_no,
        any_value(returned.previous_started_at) as previous_started_at,
        arg_max(versions, versions.seen_from_at) as version
    from with_neighbours
    inner join versions on with_neighbours.record_id = versions.record_id
    inner join change_times on versions.seen_from_at = change_times.change_at and with_neighbours.sync_no >= change_times.sync_no
    inner join change_times as returned on with_neighbours.change_at = returned.change_at
    where not with_neighbours.is_gone and with_neighbours.taken_count > 0
    group by with_neighbours.record_id, with_neighbours.sync_no
),

final as (
    select
        with_neighbours.record_id,
        coalesce(returned_versions.version.campaign_id, with_neighbours.campaign_id) as campaign_id,
        coalesce(returned_versions.version.reward_id, with_neighbours.reward_id) as reward_id,
        coalesce(returned_versions.version.recipient_id, with_neighbours.recipient_id) as recipient_id,
        coalesce(returned_versions.version.type_no, with_neighbours.type_no) as type_no,
        with_neighbours.sync_no,
        with_neighbours.change_at,
        returned_versions.version.issued_at as issued_at,
        returned_versions.version.price as price,
        coalesce(returned_versions.version.latest_issue_at < returned_versions.previous_started_at, false) as is_late,
        with_neighbours.is_gone,
        with_neighbours.is_latest,
        cast(with_neighbours.taken_count as decimal(38, 0)) as taken_count,
        cast(with_neighbours.taken_value as decimal(38, 6)) as taken_value
    from with_neighbours
    left join returned_versions
        on with_neighbours.record_id = returned_versions.record_id and with_neighbours.sync_no = returned_versions.sync_no
)

select * from final
