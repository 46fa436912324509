-- grain: one row per row of a reward list that names no reward, and sync in which it moved to another place
-- reads: intermediate.int_reward_versions, intermediate.int_reward_changes, intermediate.int_reward_change_times
-- money: exact; what the row was worth before it moved
-- time: by sync
-- materialized: table
-- A place is a campaign, a reward and a reward type. Rows that name a reward are identified by reward and recipient. A
-- row that names none is identified by its id, while every sync finds it in the same list for the same recipient. If such
-- a row has another place in the next sync (another type or unit, another campaign of the recipient, a reward that it
-- names from then on or no longer), what was owed for it moves there too. state: due or in process; a row that is issued
-- in its new place moved there in process. A row does not move if it was absent from the list in between or is absent
-- afterwards, if nothing was owed for it, or if its recipient changed. Several changes between two syncs are one move,
-- from its place at the first of them to its place at the second, of what it was worth at the first.

with versions as (
    select * from intermediate.int_reward_versions
),

absences as (
    select
        'issued' as list_name,
        record_id,
        sync_no
    from intermediate.int_reward_changes
    where is_absence
),

change_times as (
    select
        change_at,
        sync_no
    from intermediate.int_reward_change_times
),

unnamed as (
    select distinct
        list_name,
        record_id
    from versions
    where coalesce(reward_id, 0) = 0
),

with_syncs as (
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
        begun.sync_no,
        ended.sync_no as until_sync_no,
        coalesce(versions.seen_from_at <> lag(versions.seen_until_at) over row_versions, false) as is_after_gap
    from versions
    semi join unnamed on versions.list_name = unnamed.list_name and versions.record_id = unnamed.record_id
    inner join change_times as begun on versions.seen_from_at = begun.change_at
    left join change_times as ended on versions.seen_until_at = ended.change_at
    window row_versions as (partition by versions.list_name, versions.record_id order by versions.seen_from_at)
),

interrupted as (
    select
        list_name,
        record_id,
        sync_no
    from with_syncs
    where is_after_gap
    union
    select * from absences
),

-- The state at each sync point; versions that began and ended between two sync points are left out.
at_syncs as (
    select
        *,
        lag(until_sync_no) over row_versions as from_until_sync_no,
        lag(campaign_id) over row_versions as from_campaign_id,
        lag(reward_id) over row_versions as from_reward_id,
        lag(recipient_id) over row_versions as from_recipient_id,
        lag(type_no) over row_versions as from_type_no,
        lag(reward_state) over row_versions as from_state,
        lag(total_count) over row_versions as from_count,
        lag(total_value) over row_versions as from_value
    from with_syncs
    where sync_no is not null and (until_sync_no is null or until_sync_no > sync_no)
    window row_versions as (partition by list_name, record_id order by seen_from_at)
),

final as (
    select
        at_syncs.record_id,
        at_syncs.recipient_id,
        at_syncs.sync_no,
        case at_syncs.list_name when 'due' then 'due' else 'in process' end as state,
        at_syncs.from_campaign_id,
        at_syncs.from_reward_id,
        at_syncs.from_type_no,
        at_syncs.campaign_id as to_campaign_id,
        at_syncs.reward_id as to_reward_id,
        at_syncs.type_no as to_type_no,
        cast(at_syncs.from_count as decimal(38, 0)) as moved_count,
        at_syncs.from_value as moved_value
    from at_syncs
    anti join interrupted
        on
            at_syncs.list_name = interrupted.list_name
            and at_syncs.record_id = interrupted.record_id
            and at_syncs.sync_no = interrupted.sync_no
    where
        at_syncs.sync_no > 1
        and at_syncs.from_until_sync_no = at_syncs.sync_no
        and at_syncs.recipient_id = at_syncs.from_recipient_id
        and 0 in (at_syncs.reward_id, at_syncs.from_reward_id)
        and (
            (at_syncs.from_state = 'due' and at_syncs.reward_state = 'due')
            or (at_syncs.from_state = 'in process' and at_syncs.reward_state in ('in process', 'issued'))
        )
        and (
            at_syncs.from_campaign_id <> at_syncs.campaign_id
            or at_syncs.from_reward_id <> at_syncs.reward_id
            or at_syncs.from_type_no <> at_syncs.type_no
        )
)

select * from final
