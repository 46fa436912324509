-- rule: no row is more than two days older than the settings allow
-- reads: ops.freshness
-- Detects that the calls for reading rows again are not enough, or are spent on other things. It does not apply to
-- streams that every sync reads completely; warn_freshness detects when a stream is not read at all.

with freshness as (
    select * from ops.freshness
),

final as (
    select
        stream,
        rows_count,
        oldest_seen_at,
        oldest_age_days,
        max_age_days
    from freshness
    where max_age_days > 0 and oldest_age_days > max_age_days + 2
)

select * from final
