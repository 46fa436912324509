-- grain: one row per cutoff and horizon (now and ever, then and 28 days), campaign and unit with unused rewards that have
--   a coupon
-- reads: intermediate.int_use_outcomes, intermediate.int_use_curves
-- money: expected, in the unit of the row, rounded to the sixth digit; unused_value and later_value are exact
-- time: ages in whole days since issue
-- materialized: table
-- Each unused reward of age a is used within the horizon, or until it expires, with the probability 1 - S(a + horizon) /
-- S(a), where S is its campaign's curve, or that of the whole account where the campaign has fewer than 30 uses. The
-- variance and the interval are those of int_conversion_forecasts: who uses a reward (value x value x chance x (1 -
-- chance)) and the curve itself (Greenwood), 1.2816 standard deviations on either side, limited to possible values.

with outcomes as (
    select * from intermediate.int_use_outcomes
),

curves as (
    select * from intermediate.int_use_curves
),

bases as (
    select
        cutoff,
        unit,
        curve_id,
        max(basis_count) as basis_count,
        max(last_age_days) as last_age_days
    from curves
    group by cutoff, unit, curve_id
),

unused as (
    select
        outcomes.*,
        coalesce(own.basis_count, 0) < 30 as is_pooled,
        case when own.basis_count >= 30 then own.curve_id else pool.curve_id end as curve_id,
        case when own.basis_count >= 30 then own.basis_count else coalesce(pool.basis_count, 0) end as basis_count,
        case when own.basis_count >= 30 then own.last_age_days else pool.last_age_days end as last_age_days,
        outcomes.age_days + case
            when outcomes.cutoff = 'now' then coalesce(outcomes.left_days, 1000000000)
            else least(28, coalesce(outcomes.left_days, 28))
        end as end_days
    from outcomes
    left join bases as own
        on outcomes.cutoff = own.cutoff and outcomes.unit = own.unit and outcomes.campaign_id = own.curve_id
    left join bases as pool
        on outcomes.cutoff = pool.cutoff and outcomes.unit = pool.unit and pool.curve_id = -9223372036854775809
    where outcomes.outcome = 'unused'
),

with_chance as (
    select
        unused.*,
        coalesce(begins.age_days, -1) as begin_step,
        coalesce(ends.age_days, -1) as end_step,
        case
            when unused.basis_count > 0 then exp(coalesce(ends.log_unused, 0) - coalesce(begins.log_unused, 0))
        end as stays_unused,
        cast(unused.rewards_value as double) * stays_unused as staying_value,
        cast(unused.rewards_value as double) * (1 - stays_unused) as expected_value,
        unused.squared_value * stays_unused * (1 - stays_unused) as outcome_variance
    from unused
    asof left join curves as begins
        on
            unused.cutoff = begins.cutoff
            and unused.unit = begins.unit
            and unused.curve_id = begins.curve_id
            and unused.age_days > begins.age_days
    asof left join curves as ends
        on
            unused.cutoff = ends.cutoff
            and unused.unit = ends.unit
            and unused.curve_id = ends.curve_id
            and unused.end_days > ends.age_days
),

-- The value that depends on the curve at each of its ages: of the rewards that have yet to pass it within their horizon.
dependent as (
    select
        with_chance.cutoff,
        with_chance.campaign_id,
        with_chance.unit,
        sum(with_chance.staying_value order by with_chance.staying_value) as dependent_value,
        any_value(curves.variance_term) as variance_term
    from with_chance
    inner join curves
        on
            with_chance.cutoff = curves.cutoff
            and with_chance.unit = curves.unit
            and with_chance.curve_id = curves.curve_id
            and with_chance.begin_step < curves.age_days
            and with_chance.end_step >= curves.age_days
    group by with_chance.cutoff, with_chance.campaign_id, with_chance.unit, curves.age_days
),

curve_variance as (
    select
        cutoff,
        campaign_id,
        unit,
        sum(dependent_value * dependent_value * variance_term order by dependent_value) as variance
    from dependent
    group by cutoff, campaign_id, unit
),

totals as (
    select
        cutoff,
        campaign_id,
        unit,
        is_pooled,
        basis_count,
        last_age_days,
        cast(sum(rewards_count) as bigint) as unused_count,
        sum(rewards_value) as unused_value,
        sum(later_value) as later_value,
        sum(least_value) as least_value,
        sum(most_value) as most_value,
        sum(expected_value order by expected_value) as mean_value,
        sum(outcome_variance order by outcome_variance) as variance
    from with_chance
    group by cutoff, campaign_id, unit, is_pooled, basis_count, last_age_days
),

with_interval as (
    select
        totals.*,
        1.2815515655446004 * sqrt(totals.variance + coalesce(curve_variance.variance, 0)) as half_width_value
    from totals
    left join curve_variance
        on
            totals.cutoff = curve_variance.cutoff
            and totals.campaign_id = curve_variance.campaign_id
            and totals.unit = curve_variance.unit
),

final as (
    select
        cutoff,
        campaign_id,
        unit,
        is_pooled,
        basis_count,
        last_age_days,
        unused_count,
        unused_value,
        later_value,
        greatest(least(cast(mean_value as decimal(38, 6)), most_value), least_value) as expected_value,
        greatest(least(cast(mean_value - half_width_value as decimal(38, 6)), most_value), least_value) as low_value,
        greatest(least(cast(mean_value + half_width_value as decimal(38, 6)), most_value), least_value) as high_value
    from with_interval
    where basis_count > 0
)

select * from final
