-- rule: a campaign's cohorts have all its dated referrals, their last cells all its dated qualifications; counts never
--   fall
-- reads: core.users, marts.referral_cohorts
-- Referrals without a joining date are in no cohort; qualifications without a date are in no cell.

with users as (
    select * from core.users
),

cohorts as (
    select * from marts.referral_cohorts
),

from_core as (
    select
        coalesce(campaign_id, 0) as campaign_id,
        count(*) as referrals_count,
        count(qualified_at) filter (where is_qualified) as qualified_count
    from users
    where deleted_at is null and referrer_id is not null and joined_at is not null
    group by coalesce(campaign_id, 0)
),

steps as (
    select
        *,
        lag(qualified_count, 1, 0) over cells as earlier_count,
        lead(months_since) over cells as next_months_since
    from cohorts
    window cells as (partition by campaign_id, joined_month_on order by months_since)
),

from_cohorts as (
    select
        campaign_id,
        sum(referrals_count) filter (where next_months_since is null) as referrals_count,
        sum(qualified_count) filter (where next_months_since is null) as qualified_count,
        count(*) filter (
            where qualified_count <> earlier_count + newly_qualified_count or qualified_count > referrals_count or newly_qualified_count < 0
        ) as impossible_count
    from steps
    group by campaign_id
),

final as (
    select
        coalesce(from_core.campaign_id, from_cohorts.campaign_id) as campaign_id,
        from_core.referrals_count as core_referrals_count,
        from_cohorts.referrals_count as cohorts_referrals_count,
        from_core.qualified_count as core_qualified_count,
        from_cohorts.qualified_count as cohorts_qualified_count,
        from_cohorts.impossible_count
    from from_core
    full outer join from_cohorts on from_core.campaign_id = from_cohorts.campaign_id
    where
        from_core.referrals_count is distinct from from_cohorts.referrals_count
        or from_core.qualified_count is distinct from from_cohorts.qualified_count
        or from_cohorts.impossible_count > 0
)

select * from final
