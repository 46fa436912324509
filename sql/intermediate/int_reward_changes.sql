-- grain: one row per change of a balance: campaign x reward x recipient x reward type (type_no) x state x time x sign
-- reads: intermediate.int_reward_versions, intermediate.int_reward_change_times, staging.stg_observations
-- money: change_value in the unit of the reward type; never added across units; 0 where a value is not known
-- time: UTC; change_at as observed, sync_no the sync point it is booked on (null: waits for the next)
-- materialized: table
-- compression: rle
-- Each version adds its count and value when it appears and subtracts them when it ends. An issued version that follows
-- an issued one adds only the difference, so that a new name, type or campaign does not count as an issue. A reward in
-- process that vanished from the issued list is no longer owed from then on (it is owed again if it reappears). An issued
-- reward that vanished is a change of the state 'unlisted': alone it moves nothing, because only a reward that is due
-- again shows that the issue was taken back. An absence that lasts longer than a period of the reward definition
-- continues in the next period (is_carried): this is neither a disappearance nor a reappearance, and an unlisted issue
-- stays where it was noticed. An issue is late if the vendor dates it before the beginning of the previous sync, which
-- did not see it (latest_issue_at).

with versions as (
    select * from intermediate.int_reward_versions
),

change_times as (
    select * from intermediate.int_reward_change_times
),

observations as (
    select * from staging.stg_observations
),

absences as (
    select
        record_id,
        what,
        observed_at as gone_from_at,
        lead(observed_at) over (partition by record_id order by observed_at asc, what desc) as gone_until_at
    from observations
    where stream = 'rewards_issued' and what in ('vanished', 'reappeared')
),

-- The issued versions of rows that were absent at some time, with the balance and the state that each sync found last.
versions_by_sync as (
    select
        versions.*,
        change_times.sync_no,
        [versions.campaign_id, versions.reward_id, versions.recipient_id, versions.type_no] as balance_key,
        last_value(balance_key) over same_sync as sync_balance_key,
        last_value(versions.reward_state) over same_sync as sync_state
    from versions
    semi join absences on versions.record_id = absences.record_id
    left join change_times on versions.seen_from_at = change_times.change_at
    where versions.list_name = 'issued'
    window same_sync as (
        partition by versions.record_id, change_times.sync_no
        order by versions.seen_from_at rows between unbounded preceding and unbounded following
    )
),

with_next_sync as (
    select
        * exclude (sync_no, sync_balance_key, sync_state),
        lead(sync_no) over row_versions as next_sync_no,
        lead(sync_balance_key) over row_versions as next_balance_key,
        lead(sync_state) over row_versions as next_state
    from versions_by_sync
    window row_versions as (partition by record_id order by seen_from_at)
),

-- An absence belongs to the version of the row that held when it began, across all periods of its reward definition;
-- a later version of the row ends it. Where the sync at which it ends finds the row in another balance (another
-- campaign, reward, recipient or reward type) or cancelled, nothing has reappeared. A run notices reappeared rows before
-- it begins new versions.
absent_versions as (
    select
        versions.* exclude (balance_key, next_balance_key, next_state, next_sync_no),
        greatest(absences.gone_from_at, versions.seen_from_at) as gone_from_at,
        least(absences.gone_until_at, versions.seen_until_at) as back_at,
        versions.seen_from_at <= absences.gone_from_at as is_first_absent,
        coalesce(least(absences.gone_until_at, versions.row_seen_until_at), timestamp 'infinity')
        <= coalesce(versions.seen_until_at, timestamp 'infinity') as is_last_absent,
        (
            back_at < coalesce(versions.seen_until_at, timestamp 'infinity')
            and change_times.sync_no is distinct from versions.next_sync_no
        )
        or (versions.balance_key = versions.next_balance_key and versions.next_state <> 'cancelled') as is_same_balance
    from with_next_sync as versions
    inner join absences
        on
            versions.record_id = absences.record_id
            and versions.row_seen_from_at <= absences.gone_from_at
            and coalesce(versions.seen_until_at, timestamp 'infinity') > absences.gone_from_at
            and versions.seen_from_at < coalesce(absences.gone_until_at, timestamp 'infinity')
            and coalesce(versions.row_seen_until_at, timestamp 'infinity') > absences.gone_from_at
    left join change_times on absences.gone_until_at = change_times.change_at
    where absences.what = 'vanished' and versions.reward_state <> 'cancelled'
),

absence_states as (
    select
        * exclude (reward_state),
        case reward_state when 'issued' then 'unlisted' else reward_state end as reward_state
    from absent_versions
),

changes as (
    select
        *,
        seen_from_at as change_at,
        1 as direction,
        false as is_absence,
        false as is_carried,
        coalesce(corrected_count, total_count) as moved_count,
        coalesce(corrected_value, total_value) as moved_value
    from versions
    union all by name
    select
        *,
        seen_until_at as change_at,
        -1 as direction,
        false as is_absence,
        false as is_carried,
        total_count as moved_count,
        total_value as moved_value
    from versions
    where seen_until_at is not null and not is_continued and (reward_state <> 'issued' or has_successor)
    union all by name
    select
        * exclude (gone_from_at, back_at, is_first_absent, is_last_absent, is_same_balance),
        gone_from_at as change_at,
        -1 as direction,
        true as is_absence,
        not is_first_absent as is_carried,
        total_count as moved_count,
        total_value as moved_value
    from absence_states
    where is_first_absent or reward_state <> 'unlisted'
    union all by name
    select
        * exclude (gone_from_at, back_at, is_first_absent, is_last_absent, is_same_balance),
        back_at as change_at,
        1 as direction,
        true as is_absence,
        coalesce(not is_last_absent or not is_same_balance, true) as is_carried,
        total_count as moved_count,
        total_value as moved_value
    from absence_states
    where back_at is not null and (is_last_absent or reward_state <> 'unlisted')
),

final as (
    select
        changes.campaign_id,
        coalesce(changes.reward_id, 0) as reward_id,
        coalesce(changes.recipient_id, 0) as recipient_id,
        changes.type_no,
        changes.reward_state,
        changes.issued_from,
        changes.issued_at,
        changes.change_at,
        changes.is_absence,
        changes.is_carried,
        changes.record_id,
        changes.direction,
        changes.price,
        changes.is_entry and changes.direction = 1 and not changes.is_absence as is_entry,
        change_times.sync_no,
        coalesce(changes.latest_issue_at < change_times.previous_started_at, false) as is_late,
        changes.direction * cast(changes.moved_count as hugeint) as change_count, -- the negated minimum of bigint does not fit into bigint
        changes.direction * coalesce(changes.moved_value, 0) as change_value
    from changes
    left join change_times on changes.change_at = change_times.change_at
)

select * from final
