-- grain: one row per row of the list of rewards issued that left it, and whose issue is taken back, at least in part
-- reads: intermediate.int_unlisted_issues
-- money: taken_back_value in the row's unit, exact for a whole row, else its share, rounded to the published digits
-- time: none
-- materialized: table
-- Issued rewards whose payout failed and that do not count as issued now. Of a row that left the list several times only
-- the last time counts; a row that is back in the list is not included.

with unlisted as (
    select * from intermediate.int_unlisted_issues
),

final as (
    select
        record_id,
        taken_count as taken_back_count,
        taken_value as taken_back_value
    from unlisted
    where is_latest and is_gone and taken_count > 0
)

select * from final
