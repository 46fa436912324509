-- rule: the last closing of the roll-forward equals the sum of what the API lists as due and in process
-- reads: marts.reward_liability_daily, core.rewards_due, core.rewards_issued, intermediate.int_reward_changes
-- The history must end with the current state of the account. Not checked while changes of one list, loaded alone, wait
-- for a sync of both lists.

with daily as (
    select * from marts.reward_liability_daily
),

due as (
    select * from core.rewards_due
),

issued as (
    select * from core.rewards_issued
),

waiting as (
    select count(*) as changes_count
    from intermediate.int_reward_changes
    where sync_no is null
),

sides as (
    select
        campaign_id,
        reward_type,
        unit,
        closing_count as rolled_count,
        closing_value as rolled_value,
        0 as listed_count,
        0 as listed_value
    from daily
    where not is_estimated and day_on = (select max(last_day.day_on) from daily as last_day)
    union all
    select
        campaign_id,
        reward_type,
        unit,
        0 as rolled_count,
        0 as rolled_value,
        due_count as listed_count,
        due_value as listed_value
    from due
    union all
    select
        campaign_id,
        reward_type,
        unit,
        0 as rolled_count,
        0 as rolled_value,
        issued_count as listed_count,
        issued_value as listed_value
    from issued
    where is_in_process and deleted_at is null
),

compared as (
    select
        campaign_id,
        reward_type,
        unit,
        sum(rolled_count) as rolled_count,
        sum(listed_count) as listed_count,
        sum(rolled_value) as rolled_value,
        sum(listed_value) as listed_value
    from sides
    group by campaign_id, reward_type, unit
),

final as (
    select compared.*
    from compared
    cross join waiting
    where
        waiting.changes_count = 0
        and (compared.rolled_count <> compared.listed_count or compared.rolled_value <> compared.listed_value)
)

select * from final
