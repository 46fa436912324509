-- rule: marts.reward_liability adds up to what the API lists as due and in process
-- reads: marts.reward_liability, core.rewards_due, core.rewards_issued
-- Joins must neither lose nor double a balance.

with liability as (
    select * from marts.reward_liability
),

due as (
    select * from core.rewards_due
),

issued as (
    select * from core.rewards_issued
),

sides as (
    select
        unit,
        due_count as mart_due_count,
        in_process_count as mart_in_process_count,
        due_value + in_process_value as mart_value,
        0 as listed_due_count,
        0 as listed_in_process_count,
        0 as listed_value
    from liability
    union all
    select
        unit,
        0 as mart_due_count,
        0 as mart_in_process_count,
        0 as mart_value,
        due_count as listed_due_count,
        0 as listed_in_process_count,
        due_value as listed_value
    from due
    union all
    select
        unit,
        0 as mart_due_count,
        0 as mart_in_process_count,
        0 as mart_value,
        0 as listed_due_count,
        issued_count as listed_in_process_count,
        issued_value as listed_value
    from issued
    where is_in_process and deleted_at is null
),

final as (
    select
        unit,
        sum(mart_due_count) as mart_due_count,
        sum(listed_due_count) as listed_due_count,
        sum(mart_in_process_count) as mart_in_process_count,
        sum(listed_in_process_count) as listed_in_process_count,
        sum(mart_value) as mart_value,
        sum(listed_value) as listed_value
    from sides
    group by unit
    having
        sum(mart_due_count) <> sum(listed_due_count)
        or sum(mart_in_process_count) <> sum(listed_in_process_count)
        or sum(mart_value) <> sum(listed_value)
)

select * from final
