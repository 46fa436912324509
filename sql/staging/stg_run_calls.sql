-- grain: one row per run, stream and purpose
-- reads: raw.run_calls
-- money: none
-- time: none
-- How many calls each run spent on each stream, by what they were for.

with source as (
    select * from raw.run_calls
),

final as (
    select
        run_id,
        stream,
        purpose,
        calls as calls_count
    from source
)

select * from final
