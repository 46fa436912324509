-- grain: one row per campaign and unit in which a reward was ever due, in process or issued; campaign_id 0 = unknown
-- reads: intermediate.int_reward_versions, intermediate.int_issued_latest, intermediate.int_issues_taken_back
-- money: exact, in the row's unit; never added across units
-- time: none
-- materialized: table
-- How many rewards each campaign owes, has in process and has issued now, for every mart that compares campaigns.
-- Issued rewards always count, unless the issue was taken back; those in process count while they are in the list;
-- cancelled ones never do. Owed is due plus in process.

with versions as (
    select * from intermediate.int_reward_versions
),

issued as (
    select * from intermediate.int_issued_latest
),

taken_back as (
    select * from intermediate.int_issues_taken_back
),

counted as (
    select
        campaign_id,
        unit,
        total_count as due_count,
        total_value as owed_value,
        0 as in_process_count,
        0 as issued_count,
        0 as issued_value
    from versions
    where list_name = 'due' and seen_until_at is null
    union all
    select
        campaign_id,
        unit,
        0 as due_count,
        case when is_in_process and deleted_at is null then total_value else 0 end as owed_value,
        case when is_in_process and deleted_at is null then total_count else 0 end as in_process_count,
        case when reward_state = 'issued' then total_count else 0 end as issued_count,
        case when reward_state = 'issued' then total_value else 0 end as issued_value
    from issued
    union all
    select
        issued.campaign_id,
        issued.unit,
        0 as due_count,
        0 as owed_value,
        0 as in_process_count,
        -taken_back.taken_back_count as issued_count,
        -taken_back.taken_back_value as issued_value
    from taken_back
    inner join issued on taken_back.record_id = issued.record_id
),

final as (
    select
        campaign_id,
        unit,
        cast(sum(due_count) as decimal(38, 0)) as due_count,
        cast(sum(in_process_count) as decimal(38, 0)) as in_process_count,
        cast(sum(issued_count) as decimal(38, 0)) as issued_count,
        sum(owed_value) as owed_value,
        sum(issued_value) as issued_value
    from counted
    group by campaign_id, unit
)

select * from final
