-- rule: no record is set aside
-- reads: ops.quarantine
-- Each record here is missing from core, or stands there with an older state.

with quarantine as (
    select * from ops.quarantine
),

final as (
    select
        stream,
        record_id,
        run_id,
        reason
    from quarantine
    where is_open
)

select * from final
