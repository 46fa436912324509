-- grain: one row per cutoff, curve (a campaign's, or the whole account's) and age at which referrals qualified
-- reads: intermediate.int_conversion_outcomes
-- money: none
-- time: age in whole days since joining
-- materialized: table
-- Kaplan-Meier: of the referrals that reached an age unqualified and are still observed (at risk), the share that
-- qualified at that age; log_open is the logarithm of the share still unqualified after it. Open and deleted referrals
-- leave the risk set at their age without an event. A curve ends where fewer than 10 are at risk: otherwise one late
-- qualification among three people would make everybody's qualification likely.

with outcomes as (
    select * from intermediate.int_conversion_outcomes
),

per_age as (
    select
        cutoff,
        coalesce(campaign_id, -9223372036854775809) as curve_id, -- the account's curve; lower than any campaign id
        age_days,
        sum(referrals_count) as leaving_count,
        coalesce(sum(referrals_count) filter (where outcome = 'qualified'), 0) as qualified_count
    from outcomes
    group by grouping sets ((cutoff, campaign_id, age_days), (cutoff, age_days))
),

at_risk as (
    select
        cutoff,
        curve_id,
        age_days,
        qualified_count,
        sum(leaving_count) over (
            partition by cutoff, curve_id
            order by age_days desc rows unbounded preceding
        ) as at_risk_count
    from per_age
),

with_enough_at_risk as (
    select
        *,
        max(age_days) over (partition by cutoff, curve_id) as last_age_days
    from at_risk
    where at_risk_count >= 10
),

final as (
    select
        cutoff,
        curve_id,
        age_days,
        cast(qualified_count as bigint) as qualified_count,
        cast(at_risk_count as bigint) as at_risk_count,
        last_age_days,
        cast(sum(qualified_count) over (partition by cutoff, curve_id) as bigint) as basis_count,
        -- the lower limit is for a share of 0, whose logarithm is not finite
        sum(ln(greatest(1 - qualified_count / at_risk_count, 1e-12))) over (
            partition by cutoff, curve_id
            order by age_days rows unbounded preceding
        ) as log_open,
        coalesce(qualified_count / (at_risk_count * nullif(at_risk_count - qualified_count, 0)), 0) as variance_term
    from with_enough_at_risk
    where qualified_count > 0
)

select * from final
