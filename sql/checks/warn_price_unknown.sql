-- rule: each reward that is owed or was issued has a value, or a price to compute it from
-- reads: intermediate.int_reward_versions, intermediate.int_issued_latest
-- next: If these rewards have a value, enter it in the dashboard; the next sync reads it.
-- The lists have neither a total nor a price for these rows. They are counted, with a value of 0, in every sum. Rows in
-- process that left the list are no longer owed and are not listed.

with versions as (
    select * from intermediate.int_reward_versions
    where seen_until_at is null and given_value is null and reward_value is null and reward_state <> 'cancelled'
),

gone as (
    select
        'issued' as list_name,
        record_id,
        'in process' as reward_state
    from intermediate.int_issued_latest
    where is_in_process and deleted_at is not null
),

shown as (
    select versions.*
    from versions
    anti join gone
        on
            versions.list_name = gone.list_name
            and versions.record_id = gone.record_id
            and versions.reward_state = gone.reward_state
),

final as (
    select
        'rewards_' || list_name as stream,
        reward_type,
        unit,
        count(*) as rows_count,
        cast(sum(total_count) as decimal(38, 0)) as rewards_count
    from shown
    group by list_name, reward_type, unit
)

select * from final
