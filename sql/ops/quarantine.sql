-- grain: one row per quarantined record and version of its text
-- key: none
-- personal: record (free text), reason (free text)
-- reads: staging.stg_quarantine, staging.stg_run_streams
-- money: none
-- time: UTC, without a zone, the server's
-- Records that could not be read exactly, that is, in which a value does not fit its type or a required field is missing.
-- The last good version of such a record stays in core.
-- answers: Which records could not be read, and why? Which are still open?
-- wrong: a record that was corrected without a date of change counts as open until its list is read completely.

with quarantine as (
    select * from staging.stg_quarantine
),

run_streams as (
    select * from staging.stg_run_streams
),

complete_reads as (
    select
        stream,
        max(observed_at) as began_at
    from run_streams
    where is_complete
    group by stream
),

ordered as (
    select
        quarantine.*,
        complete_reads.began_at,
        row_number() over (
            partition by
                quarantine.stream,
                coalesce(cast(try_cast(quarantine.record_id as bigint) as varchar), quarantine.record_key)
            order by quarantine.quarantined_at desc, quarantine.reason asc
        ) as newest_first_no
    from quarantine
    left join complete_reads
        on case quarantine.stream when 'coupon_batches' then 'coupons' else quarantine.stream end = complete_reads.stream
),

final as (
    select
        stream, -- stream of the record
        case when try_cast(record_id as bigint) is null and record_id <> 'null' then '' else record_id end
            as record_id, -- its id, as text; empty where it is not a whole number, since it may be any text
        reason, -- why it was quarantined
        record, -- the record as received, JSON; may contain personal data; JSON null after the retention period
        run_id, -- last run that quarantined it
        resolved_at is null and quarantined_at >= coalesce(began_at, quarantined_at) and newest_first_no = 1
            as is_open, -- whether it is open: not read since, not replaced by a later version, not missing from a complete list
        quarantined_at, -- when it was last received in this form, UTC
        resolved_at -- when a record with this id could be read, UTC; null = not yet
    from ordered
)

select * from final
order by quarantined_at, stream, record_id
