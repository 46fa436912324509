-- rule: no stream has more than one record and more than the configured share (WAREHOUSE__MAX_QUARANTINE_PERCENT) in quarantine
-- reads: ops.quarantine, core.campaigns, core.rewards, core.users, core.rewards_due, core.rewards_issued, core.coupons
-- next: Run `select * from ops.quarantine where is_open` on draft/warehouse.duckdb. Once the API is corrected, `referrals
--   sync --sweep` requests these records again. If the API changed permanently, update to a version that reads the new
--   format; to leave the records out, raise WAREHOUSE__MAX_QUARANTINE_PERCENT and sync again.
-- One unreadable record is a fault of the account's data; many indicate a change of the API, and totals would be too
-- small.

with open_records as (
    -- each open row is one record; one without a readable id is among no good records
    select
        case stream when 'coupon_batches' then 'coupons' else stream end as stream,
        cast(try_cast(record_id as bigint) as varchar) as record_key
    from ops.quarantine
    where is_open
),

good_records as (
    select
        'campaigns' as stream,
        cast(campaign_id as varchar) as record_key
    from core.campaigns
    where deleted_at is null
    union all
    select
        'rewards' as stream,
        cast(reward_id as varchar) as record_key
    from core.rewards
    where deleted_at is null
    union all
    select
        'users' as stream,
        cast(user_id as varchar) as record_key
    from core.users
    where deleted_at is null
    union all
    select
        'rewards_due' as stream,
        cast(due_id as varchar) as record_key
    from core.rewards_due
    union all
    select
        'rewards_issued' as stream,
        cast(issued_id as varchar) as record_key
    from core.rewards_issued
    union all
    select
        'coupons' as stream,
        cast(coupon_id as varchar) as record_key
    from core.coupons
    where deleted_at is null
),

good_counts as (
    select
        stream,
        count(*) as good_count
    from good_records
    where stream in (select stream from open_records)
    group by stream
),

open_counts as (
    select
        open_records.stream,
        count(*) as open_count,
        count(*) filter (where good_records.record_key is null) as not_good_count
    from open_records
    left join good_records
        on
            open_records.stream = good_records.stream
            and open_records.record_key = good_records.record_key
    group by open_records.stream
),

shares as (
    select
        open_counts.stream,
        open_counts.open_count,
        coalesce(good_counts.good_count, 0) + open_counts.not_good_count as records_count,
        coalesce(getvariable('max_quarantine_percent'), 1) as limit_percent
    from open_counts
    left join good_counts on open_counts.stream = good_counts.stream
),

final as (
    select
        stream,
        open_count,
        records_count,
        limit_percent
    from shares
    where open_count > 1 and 100 * open_count > limit_percent * records_count
)

select * from final
