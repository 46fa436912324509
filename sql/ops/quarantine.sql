-- grain: one row per record set aside and run
-- reads: staging.stg_quarantine
-- money: none
-- time: UTC, without a zone
-- Records that could not be read exactly. The last good version of such a record stays in core.
-- answers: What did the API send that we refused, and why?
-- wrong: a record that has since come again and was readable is still listed here.

with quarantine as (
    select * from staging.stg_quarantine
),

final as (
    select
        stream, -- stream the record came in
        record_id, -- its id, as text, where it has one
        reason, -- why it was set aside
        record, -- the record as it came, JSON; may hold personal data
        run_id, -- run that set it aside
        quarantined_at -- when, UTC
    from quarantine
)

select * from final
order by quarantined_at, stream, record_id
