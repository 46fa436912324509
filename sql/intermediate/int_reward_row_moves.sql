-- grain: one row per row of a reward list that names no reward, and sync in which it moved to another place
-- reads: intermediate.int_reward_versions, intermediate.int_reward_changes, intermediate.int_reward_moments
-- money: exact; what the row was worth before it moved
-- time: by sync
-- materialized: table
-- A place is a campaign, a reward and a reward type. Rows that name a reward are identified by reward and recipient. A row
-- that names none is identified by its id, as long as its list has it in every sync, for the same recipient. If such a row
-- has another place in the next sync (another type or unit, another campaign of the recipient, a reward that it names from
-- then on or no longer), what was owed for it moves there too. state: due or in process; a row that is issued in its new
-- place moved there in process. A row does not move if it was absent from the list in between or is absent afterwards, if
-- nothing was owed for it, or if its recipient changed. Several changes between two syncs are one move, from the first place
-- to the last one.

with versions as (
    select * from intermediate.int_reward_versions
),

absences as (
    select
        'issued' as list_name,
        record_id,
        change_at
    from intermediate.int_reward_changes
    where is_absence
),

moments as (
    select
        change_at,
        sync_no
    from intermediate.int_reward_moments
),

unnamed as (
    select distinct
        list_name,
        record_id
    from versions
    where coalesce(reward_id, 0) = 0
),

followed as (
    select
        versions.list_name,
        versions.record_id,
        versions.campaign_id,
        coalesce(versions.reward_id, 0) as reward_id,
        coalesce(versions.recipient_id, 0) as recipient_id,
        versions.type_no,
        versions.reward_state,
        versions.total_count,
        coalesce(versions.total_value, 0) as total_value,
        versions.seen_from_at,
        lag(versions.seen_until_at) over row_versions as previous_until_at,
        lag(versions.campaign_id) over row_versions as from_campaign_id,
        lag(coalesce(versions.reward_id, 0)) over row_versions as from_reward_id,
        lag(coalesce(versions.recipient_id, 0)) over row_versions as from_recipient_id,
        lag(versions.type_no) over row_versions as from_type_no,
        lag(versions.reward_state) over row_versions as from_state,
        lag(versions.total_count) over row_versions as from_count,
        lag(coalesce(versions.total_value, 0)) over row_versions as from_value
    from versions
    semi join unnamed on versions.list_name = unnamed.list_name and versions.record_id = unnamed.record_id
    window row_versions as (partition by versions.list_name, versions.record_id order by versions.seen_from_at)
),

continued as (
    select
        followed.*,
        moments.sync_no
    from followed
    inner join moments on followed.seen_from_at = moments.change_at
    anti join absences
        on
            followed.list_name = absences.list_name
            and followed.record_id = absences.record_id
            and followed.seen_from_at = absences.change_at
    where
        followed.seen_from_at = followed.previous_until_at
        and followed.recipient_id = followed.from_recipient_id
        and 0 in (followed.reward_id, followed.from_reward_id)
        and (
            (followed.from_state = 'due' and followed.reward_state = 'due')
            or (followed.from_state = 'in process' and followed.reward_state in ('in process', 'issued'))
        )
        and moments.sync_no > 1
),

final as (
    select
        record_id,
        recipient_id,
        sync_no,
        case list_name when 'due' then 'due' else 'in process' end as state,
        arg_min(from_campaign_id, seen_from_at) as from_campaign_id,
        arg_min(from_reward_id, seen_from_at) as from_reward_id,
        arg_min(from_type_no, seen_from_at) as from_type_no,
        arg_max(campaign_id, seen_from_at) as to_campaign_id,
        arg_max(reward_id, seen_from_at) as to_reward_id,
        arg_max(type_no, seen_from_at) as to_type_no,
        cast(arg_min(from_count, seen_from_at) as decimal(38, 0)) as moved_count,
        arg_min(from_value, seen_from_at) as moved_value
    from continued
    group by list_name, record_id, recipient_id, sync_no
    having
        from_campaign_id <> to_campaign_id
        or from_reward_id <> to_reward_id
        or from_type_no <> to_type_no
)

select * from final
