-- grain: one row per campaign and unit in which rewards for referrals that were open 28 days ago could have become due
-- key: campaign_id, unit
-- metrics: none
-- reads: intermediate.int_conversion_forecasts, core.campaigns
-- money: predicted_, low_ and high_value are expected, rounded to the published digits; actual_value is exact, by the
--   rewards of that time; never add across units
-- time: UTC, without a zone
-- Back-test of marts.contingent_liability: what its method, using only dates up to 28 days ago, predicts for the 28 days
-- since, beside the actual result. Both use the rewards that the campaign offered then, so a difference comes from who
-- qualified, not from changed rewards. In the long run 80 of 100 rows should be within the interval.
-- answers: How reliable is the expected value? In which campaign was it wrong, and in which direction?
-- wrong: the past state is computed from today's rows: a qualification that was revoked since counts neither in the past
-- state nor in the result, and a renewed qualification counts as new. In small campaigns a single person can put the
-- result outside the interval.

with forecasts as (
    select * from intermediate.int_conversion_forecasts
    where cutoff = 'then'
),

campaigns as (
    select
        campaign_id,
        left(name, 200) as name
    from core.campaigns
),

final as (
    select
        forecasts.campaign_id, -- campaign
        campaigns.name as campaign_name, -- name in the dashboard, up to 200 characters
        forecasts.unit, -- what the values are counted in; values of different units must not be added
        forecasts.cutoff_at as predicted_at, -- time of the prediction, 28 days before the time of the data, UTC
        forecasts.open_count as open_referrals_count, -- referrals that had not qualified at that time; the same on each unit's row
        forecasts.chance_to_qualify, -- mean probability that one of them qualifies within 28 days, 0 to 1
        forecasts.expected_qualified as predicted_qualified, -- number expected to qualify within 28 days; a mean, not a whole number
        forecasts.later_count as actual_qualified_count, -- number that did qualify
        forecasts.expected_value as predicted_value, -- value that was expected to become due
        forecasts.low_value, -- 10 of 100 outcomes are below this
        forecasts.high_value, -- 10 of 100 outcomes are above this
        forecasts.later_value as actual_value, -- value that became due, at the rewards of that time
        forecasts.later_value between forecasts.low_value and forecasts.high_value
            as is_within_interval, -- whether actual_value is between low_value and high_value; null = nothing was predicted
        forecasts.is_pooled, -- true: the curve was that of the whole account, because the campaign's own had too little data
        forecasts.basis_count -- number of qualifications in the curve
    from forecasts
    left join campaigns on forecasts.campaign_id = campaigns.campaign_id
)

select * from final
order by campaign_id, unit
