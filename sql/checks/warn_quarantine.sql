-- rule: no record is in quarantine
-- reads: ops.quarantine
-- Each of these records is missing from core, or core has an older version of it.

with quarantine as (
    select * from ops.quarantine
),

final as (
    select
        stream,
        record_id,
        run_id,
        split_part(reason, ': ', 1) as problem -- the rest may quote the record
    from quarantine
    where is_open
)

select * from final
