-- grain: one row per row of the API's list of rewards issued
-- reads: intermediate.int_reward_versions, intermediate.int_vanished_rows
-- money: total_value and reward_value in the row's unit; never add them across units
-- time: UTC, without a zone
-- The last known version of each issued reward, including deleted ones. Only this model decides which version is the
-- last, when a row was found deleted, and whether it is still in process.

with versions as (
    select * from intermediate.int_reward_versions
),

vanished as (
    select * from intermediate.int_vanished_rows
),

ranked as (
    select
        *,
        min(seen_from_at) over (partition by record_id) as first_seen_at,
        row_number() over (
            partition by record_id
            order by seen_until_at desc nulls first, seen_from_at desc
        ) as recency
    from versions
    where list_name = 'issued'
),

final as (
    select
        ranked.* exclude (recency),
        ranked.reward_state = 'in process' as is_in_process,
        coalesce(
            case when vanished.deleted_at >= ranked.row_seen_from_at then vanished.deleted_at end, ranked.seen_until_at
        ) as deleted_at
    from ranked
    left join vanished on ranked.record_id = vanished.record_id and vanished.stream = 'rewards_issued'
    where ranked.recency = 1
)

select * from final
