-- grain: one row per cutoff (now, then), horizon (ever, 28 days), campaign and unit in which rewards may become due
-- reads: intermediate.int_conversion_outcomes, intermediate.int_conversion_curves, intermediate.int_reward_promises,
--   intermediate.int_build_clock
-- money: expected, in the unit of the row, rounded to the sixth digit; later_value is exact
-- time: UTC
-- materialized: table
-- Each open referral of age a qualifies within the horizon with the probability 1 - S(a + horizon) / S(a), where S is its
-- campaign's curve, or the account's where the campaign has fewer than 30 qualifications. The rewards that then become
-- due are those of the campaign at the cutoff: for the referral, and for a referrer who is not deleted. variance is the
-- sum of two uncertainties: who qualifies (value x value x chance x (1 - chance) of each referral) and the curve itself
-- (Greenwood: for each age of the curve, the value that depends on it, squared, times qualified / (at risk x (at risk -
-- qualified))). The interval is limited to possible values: none of the referrals with a positive reward qualifies, or
-- all do. 1.2816 standard deviations on either side contain 80 % of a normal distribution. Floating-point numbers are
-- summed in the order of their values, so that the result does not depend on the order in which the file stores them.

with outcomes as (
    select * from intermediate.int_conversion_outcomes
),

curves as (
    select * from intermediate.int_conversion_curves
),

promises as (
    select * from intermediate.int_reward_promises
),

clock as (
    select * from intermediate.int_build_clock
),

horizons as (
    select
        given.cutoff,
        given.horizon,
        given.horizon_days,
        given.days_ago
    from (
        values ('now', 'ever', 1000000000, 0), ('now', '28 days', 28, 0), ('then', '28 days', 28, 28)
    ) as given (cutoff, horizon, horizon_days, days_ago)
),

cutoffs as (
    select
        horizons.cutoff,
        horizons.horizon,
        horizons.horizon_days,
        clock.as_of_at - to_days(horizons.days_ago) as cutoff_at,
        -- versions that the last run found hold now, although they may begin microseconds after its last response
        case when horizons.cutoff = 'now' then timestamp '9999-12-31' else cutoff_at end as promised_at
    from horizons
    cross join clock
),

bases as (
    select
        cutoff,
        curve_id,
        max(basis_count) as basis_count,
        max(last_age_days) as last_age_days
    from curves
    group by cutoff, curve_id
),

offers as (
    select
        cutoffs.cutoff,
        cutoffs.horizon,
        cutoffs.horizon_days,
        cutoffs.cutoff_at,
        promises.campaign_id,
        promises.unit,
        sum(case when promises.recipient = 'referral' then promises.reward_value else 0 end) as referral_value,
        sum(case when promises.recipient = 'referrer' then promises.reward_value else 0 end) as referrer_value
    from promises
    inner join cutoffs
        on
            promises.valid_from_at <= cutoffs.promised_at
            and coalesce(promises.valid_until_at, timestamp 'infinity') > cutoffs.promised_at
    where promises.falls_due = 'qualify' and promises.recipient is not null
    group by cutoffs.cutoff, cutoffs.horizon, cutoffs.horizon_days, cutoffs.cutoff_at, promises.campaign_id, promises.unit
),

with_curve as (
    select
        offers.*,
        coalesce(own.basis_count, 0) < 30 as is_pooled,
        case when own.basis_count >= 30 then own.curve_id else pool.curve_id end as curve_id,
        case when own.basis_count >= 30 then own.basis_count else coalesce(pool.basis_count, 0) end as basis_count,
        case when own.basis_count >= 30 then own.last_age_days else pool.last_age_days end as last_age_days
    from offers
    left join bases as own on offers.cutoff = own.cutoff and offers.campaign_id = own.curve_id
    left join bases as pool on offers.cutoff = pool.cutoff and pool.curve_id = -9223372036854775809
),

open_groups as (
    select
        with_curve.*,
        outcomes.age_days,
        outcomes.age_days + with_curve.horizon_days as end_days,
        outcomes.referrals_count,
        outcomes.later_count,
        with_curve.referral_value + case when outcomes.has_referrer then with_curve.referrer_value else 0 end as promised_value,
        cast(promised_value as double) as payout_value
    from with_curve
    inner join outcomes
        on with_curve.cutoff = outcomes.cutoff and with_curve.campaign_id = outcomes.campaign_id and outcomes.outcome = 'open'
),

-- The share that stays open is the same for all units and groups of a curve that have one age.
ages as (
    select distinct
        cutoff,
        curve_id,
        age_days,
        end_days
    from open_groups
),

chances as (
    select
        ages.*,
        coalesce(begins.age_days, -1) as begin_step,
        coalesce(ends.age_days, -1) as end_step,
        exp(coalesce(ends.log_open, 0) - coalesce(begins.log_open, 0)) as stays_open
    from ages
    asof left join curves as begins
        on ages.cutoff = begins.cutoff and ages.curve_id = begins.curve_id and ages.age_days > begins.age_days
    asof left join curves as ends
        on ages.cutoff = ends.cutoff and ages.curve_id = ends.curve_id and ages.end_days > ends.age_days
),

with_chance as (
    select
        open_groups.*,
        coalesce(chances.begin_step, -1) as begin_step,
        coalesce(chances.end_step, -1) as end_step,
        chances.stays_open,
        open_groups.referrals_count * (1 - stays_open) as expected_count,
        expected_count * open_groups.payout_value as expected_value,
        expected_value * stays_open * open_groups.payout_value as outcome_variance,
        open_groups.referrals_count * stays_open * open_groups.payout_value as staying_value
    from open_groups
    left join chances
        on
            open_groups.cutoff = chances.cutoff
            and open_groups.curve_id = chances.curve_id
            and open_groups.age_days = chances.age_days
            and open_groups.end_days = chances.end_days
),

-- The value that depends on the curve at an age: what entered at or before it and has not left its horizon yet. The
-- curve only moves at its own ages, so that each change is placed after the last of them that it does not depend on.
changes as (
    select
        cutoff,
        horizon,
        campaign_id,
        unit,
        unnest([ -- noqa: AL03
            { 'step_days': begin_step, 'change_value': staying_value },
            { 'step_days': end_step, 'change_value': -staying_value }
        ], max_depth := 2)
    from with_chance
),

running as (
    select
        cutoff,
        horizon,
        campaign_id,
        unit,
        step_days,
        sum(sum(change_value order by change_value)) over (
            partition by cutoff, horizon, campaign_id, unit
            order by step_days rows unbounded preceding
        ) as dependent_value
    from changes
    group by cutoff, horizon, campaign_id, unit, step_days
),

curve_ages as (
    select
        with_curve.cutoff,
        with_curve.horizon,
        with_curve.campaign_id,
        with_curve.unit,
        with_curve.curve_id,
        curves.age_days,
        curves.variance_term
    from with_curve
    inner join curves on with_curve.cutoff = curves.cutoff and with_curve.curve_id = curves.curve_id
),

curve_variances as (
    select
        curve_ages.cutoff,
        curve_ages.horizon,
        curve_ages.campaign_id,
        curve_ages.unit,
        running.dependent_value * running.dependent_value * curve_ages.variance_term as variance
    from curve_ages
    asof join running
        on
            curve_ages.cutoff = running.cutoff
            and curve_ages.horizon = running.horizon
            and curve_ages.campaign_id = running.campaign_id
            and curve_ages.unit = running.unit
            and curve_ages.age_days > running.step_days
),

curve_variance as (
    select
        cutoff,
        horizon,
        campaign_id,
        unit,
        sum(variance order by variance) as variance
    from curve_variances
    group by cutoff, horizon, campaign_id, unit
),

totals as (
    select
        cutoff,
        horizon,
        cutoff_at,
        campaign_id,
        unit,
        is_pooled,
        basis_count,
        last_age_days,
        sum(referrals_count) as open_count,
        sum(referrals_count * promised_value) as most_value,
        sum(referrals_count * least(promised_value, 0)) as lower_limit,
        sum(referrals_count * greatest(promised_value, 0)) as upper_limit,
        sum(expected_count order by expected_count) as expected_qualified,
        sum(expected_value order by expected_value) as expected_value,
        sum(outcome_variance order by outcome_variance) as variance,
        sum(later_count) as later_count,
        sum(later_count * promised_value) as later_value
    from with_chance
    group by cutoff, horizon, cutoff_at, campaign_id, unit, is_pooled, basis_count, last_age_days
),

with_interval as (
    select
        totals.* exclude (variance, expected_value),
        1.2815515655446004 * sqrt(totals.variance + coalesce(curve_variance.variance, 0)) as half_width_value,
        cast(totals.expected_value as decimal(38, 6)) as mean_value,
        cast(totals.expected_value - half_width_value as decimal(38, 6)) as mean_low_value,
        cast(totals.expected_value + half_width_value as decimal(38, 6)) as mean_high_value
    from totals
    left join curve_variance
        on
            totals.cutoff = curve_variance.cutoff
            and totals.horizon = curve_variance.horizon
            and totals.campaign_id = curve_variance.campaign_id
            and totals.unit = curve_variance.unit
),

final as (
    select
        cutoff,
        horizon,
        cutoff_at,
        campaign_id,
        unit,
        is_pooled,
        basis_count,
        last_age_days,
        cast(open_count as bigint) as open_count,
        cast(later_count as bigint) as later_count,
        cast(later_value as decimal(38, 6)) as later_value,
        expected_qualified,
        expected_qualified / open_count as chance_to_qualify,
        -- floating-point numbers have 16 digits, so an expected value of large amounts may slightly exceed the possible values
        case when basis_count > 0 then greatest(least(mean_value, upper_limit), lower_limit) end as expected_value,
        cast(most_value as decimal(38, 6)) as most_value,
        case when basis_count > 0 then greatest(least(mean_low_value, upper_limit), lower_limit) end as low_value,
        case when basis_count > 0 then greatest(least(mean_high_value, upper_limit), lower_limit) end as high_value
    from with_interval
)

select * from final
