-- rule: what is owed in core is what the API listed in the last run: rows, rewards and value
-- reads: core.rewards_due, core.rewards_issued, intermediate.int_reward_versions,
--   intermediate.int_issued_latest, staging.stg_list_totals
-- The other checks compare the marts with core. This one compares core with sums that the loader made of the API's rows
-- when it read them. Not checked for a list that the last run did not read completely, nor where the last run did not
-- finish: rows that it had committed may be newer than the sums. The loader does not know units: for a row without a
-- total it uses count times price, also in percent, where core uses 0. The comparison adds that difference.

with due as (
    select * from core.rewards_due
),

issued as (
    select * from core.rewards_issued
),

totals as (
    select * from staging.stg_list_totals
),

versions as (
    select * from intermediate.int_reward_versions
),

latest as (
    select * from intermediate.int_issued_latest
),

in_percent as (
    select
        'rewards_due' as stream,
        try(total_count * reward_value) as product_value
    from versions
    where list_name = 'due' and seen_until_at is null and is_percent and given_value is null
    union all
    select
        'rewards_issued' as stream,
        try(total_count * reward_value) as product_value
    from latest
    where issued_at is null and deleted_at is null and is_percent and given_value is null
),

left_out as (
    select
        stream,
        sum(product_value) as left_out_value
    from in_percent
    where abs(product_value) < 1000000000000000000000000
    group by stream
),

published as (
    select
        'rewards_due' as stream,
        count(*) as rows_count,
        coalesce(sum(due_count), 0) as rewards_count,
        coalesce(sum(due_value), 0) as owed_value
    from due
    union all
    select
        'rewards_issued' as stream,
        count(*) as rows_count,
        coalesce(sum(issued_count), 0) as rewards_count,
        coalesce(sum(issued_value), 0) as owed_value
    from issued
    where issued_at is null and deleted_at is null
),

final as (
    select
        published.stream,
        published.rows_count,
        totals.rows_count as listed_rows_count,
        published.rewards_count,
        totals.rewards_count as listed_rewards_count,
        published.owed_value,
        totals.listed_value
    from published
    inner join totals on published.stream = totals.stream
    left join left_out on published.stream = left_out.stream
    where
        published.rows_count <> totals.rows_count
        or published.rewards_count <> totals.rewards_count
        or published.owed_value + coalesce(left_out.left_out_value, 0) <> totals.listed_value
)

select * from final
