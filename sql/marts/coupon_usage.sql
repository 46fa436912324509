-- grain: one row per campaign, batch and month in which coupons were issued
-- key: campaign_id, batch_id, month_on
-- metrics: issued_count as coupons_count, used_count as used_coupons_count, outstanding_count as outstanding_coupons_count,
--   use_rate as coupon_use_rate
-- reads: core.coupons
-- money: none
-- time: months in UTC, by the day a coupon was issued (by its use where the API returns no issue date)
-- The coupons of each month by their current state. Outstanding ones can still be used; deleted ones were not used.
-- answers: How many coupons of a batch are used, and how quickly? How many are outstanding?
-- wrong: coupons without a date of issue or use are left out (warn_coupons_without_date counts them). Unassigned coupons
-- are unknown unless their names are configured. Coupons of recent months had less time to be used. A coupon that is
-- assigned to a user who joined long ago is noticed when that user is read again (see ops.freshness).

with coupons as (
    select * from core.coupons
),

dated as (
    select
        coalesce(campaign_id, 0) as campaign_id,
        coalesce(batch_id, 0) as batch_id,
        batch_name,
        issued_at,
        used_at,
        deleted_at,
        cast(date_trunc('month', coalesce(issued_at, used_at)) as date) as month_on
    from coupons
    where issued_at is not null or used_at is not null
),

counted as (
    select
        campaign_id,
        batch_id,
        month_on,
        max(batch_name) as batch_name,
        count(*) as issued_count,
        count(used_at) as used_count,
        count(*) filter (where used_at is null and deleted_at is not null) as deleted_count,
        median(date_diff('second', issued_at, used_at) / 86400.0) filter (where issued_at is not null) as median_days_to_use
    from dated
    group by campaign_id, batch_id, month_on
),

final as (
    select
        campaign_id, -- campaign of the batch, else of the user; 0 = no campaign
        batch_id, -- batch of the coupons; 0 = no batch
        batch_name, -- name of the batch
        month_on, -- first day of the month of issue, UTC
        issued_count, -- coupons issued in the month
        used_count, -- of these, used by now
        deleted_count, -- of these, deleted without being used
        issued_count - used_count - deleted_count as outstanding_count, -- of these, still usable
        used_count / issued_count as use_rate, -- used_count / issued_count
        median_days_to_use -- median days from issue to use, of used coupons
    from counted
)

select * from final
order by campaign_id, batch_id, month_on
