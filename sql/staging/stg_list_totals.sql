-- grain: one row per reward list that the last run read completely
-- reads: raw.list_totals
-- money: listed_value, added across units: only for a comparison with another sum of the same list
-- time: none
-- What the rows of a reward list added up to when the last run read them: all rewards due; the rows of rewards issued
-- that had no date. Empty while a run has not ended: rows that it committed before may be newer than all sums.

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
