-- grain: one row per stream whose rows are not all read by every run
-- reads: raw.refresh_rounds
-- money: none
-- time: UTC, the server's
-- How the rows of a stream that no query by date returns are read again, by the settings of the last run.

with source as (
    select * from raw.refresh_rounds
),

final as (
    select
        stream,
        sweep_every_days,
        lookback_days,
        syncs_per_round,
        page_rows,
        complete_at
    from source
)

select * from final
