-- rule: every stream that was ever loaded was read within two days before this build
-- reads: staging.stg_run_streams, intermediate.int_build_clock
-- Detects a stream that is no longer loaded while others are. The manifest shows the age of the whole warehouse.

with run_streams as (
    select * from staging.stg_run_streams
),

clock as (
    select * from intermediate.int_build_clock
),

latest as (
    select
        stream,
        max(observed_at) as observed_at
    from run_streams
    group by stream
),

final as (
    select
        latest.stream,
        latest.observed_at,
        clock.as_of_at
    from latest
    cross join clock
    where latest.observed_at < clock.as_of_at - interval 2 days
)

select * from final
