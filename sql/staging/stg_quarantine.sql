-- grain: one row per refused record and run
-- reads: raw.quarantine
-- money: none
-- time: UTC
-- Records that could not be read exactly and were quarantined.

with source as (
    select * from raw.quarantine
),

final as (
    select
        stream,
        key as record_key,
        record_id,
        run_id,
        reason,
        raw as record,
        quarantined_at,
        resolved_at
    from source
)

select * from final
