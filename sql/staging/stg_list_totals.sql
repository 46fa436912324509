-- grain: one row per reward list that the last run read completely
-- reads: raw.list_totals
-- money: listed_value, added across units: only for a comparison with another sum of the same list
-- time: none
-- Sums of the rows of a reward list when the last run read them: of rewards due all rows, of rewards issued those without
-- a date. Empty if the last run did not finish: rows that it had committed may be newer than the sums.

with source as (
    select * from raw.list_totals
),

final as (
    select
        run_id,
        stream,
        rows as rows_count,
        cast(rewards as decimal(38, 0)) as rewards_count,
        cast(value as decimal(38, 6)) as listed_value
    from source
)

select * from final
