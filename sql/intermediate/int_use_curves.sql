-- grain: one row per cutoff, unit, curve (a campaign's, or that of the whole account) and age at which rewards were used
-- reads: intermediate.int_use_outcomes
-- money: none
-- time: age in whole days since issue
-- materialized: table
-- Kaplan-Meier, as in int_conversion_curves: of the rewards that reached an age unused and are still observed (at risk),
-- the share that was used at that age; log_unused is the logarithm of the share still unused after it. Unused, expired and
-- withdrawn rewards leave the risk set at their age. A curve ends where fewer than 10 are at risk.

with outcomes as (
    select * from intermediate.int_use_outcomes
),

per_age as (
    select
        cutoff,
        unit,
        coalesce(campaign_id, -9223372036854775809) as curve_id, -- the account's curve; lower than any campaign id
        age_days,
        sum(rewards_count) as leaving_count,
        coalesce(sum(rewards_count) filter (where outcome = 'used'), 0) as used_count
    from outcomes
    group by grouping sets ((cutoff, unit, campaign_id, age_days), (cutoff, unit, age_days))
),

at_risk as (
    select
        *,
        sum(leaving_count) over (
            partition by cutoff, unit, curve_id
            order by age_days desc rows unbounded preceding
        ) as at_risk_count
    from per_age
),

with_enough_at_risk as (
    select
        *,
        max(age_days) over (partition by cutoff, unit, curve_id) as last_age_days
    from at_risk
    where at_risk_count >= 10
),

final as (
    select
        cutoff,
        unit,
        curve_id,
        age_days,
        last_age_days,
        cast(sum(used_count) over (partition by cutoff, unit, curve_id) as bigint) as basis_count,
        -- the lower limit is for a share of 0, whose logarithm is not finite
        sum(ln(greatest(1 - used_count / at_risk_count, 1e-12))) over (
            partition by cutoff, unit, curve_id
            order by age_days rows unbounded preceding
        ) as log_unused,
        coalesce(used_count / (at_risk_count * nullif(at_risk_count - used_count, 0)), 0) as variance_term
    from with_enough_at_risk
    where used_count > 0
)

select * from final
