-- grain: one row per campaign and unit in which its open referrals of 28 days ago might have become due
-- key: campaign_id, unit
-- metrics: none
-- reads: intermediate.int_conversion_forecasts, core.campaigns
-- money: predicted_ is expected, rounded to the cent; actual_ is exact, by the rewards of that time; never add across units
-- time: UTC, without a zone
-- Back-test of marts.contingent_liability: the prediction of its method 28 days ago for the 28 days that followed, from
-- the dates up to that time alone, beside the actual result. Both use the rewards of that time, so the difference is due
-- to people. In the long run 80 of 100 rows should be within the interval.
-- answers: How reliable is the expected value? In which campaign was it wrong, and in which direction?
-- wrong: the past state is computed from today's rows: a qualification revoked since does not count then or now, and
-- that of people who qualified again counts as new. In small campaigns a single person decides.

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
        forecasts.cutoff_at as predicted_at, -- time of the prediction, 28 days before the time of the warehouse, UTC
        forecasts.open_count as open_referrals_count, -- referrals that had not qualified then; the same on each unit's row
        forecasts.chance_to_qualify, -- mean probability of one of them within 28 days, 0 to 1
        forecasts.expected_qualified as predicted_qualified, -- how many were expected to qualify within 28 days
        forecasts.later_count as actual_qualified_count, -- how many did
        forecasts.expected_value as predicted_value, -- value that was expected to become due
        forecasts.low_value, -- 10 of 100 outcomes are below
        forecasts.high_value, -- 10 of 100 outcomes are above
        forecasts.later_value as actual_value, -- value that became due, by the rewards of that time
        forecasts.later_value between forecasts.low_value and forecasts.high_value
            as is_within_interval, -- whether it is between low_value and high_value; null = nothing was predicted
        forecasts.is_pooled, -- true: the curve was that of the whole account, because the campaign's own had too little data
        forecasts.basis_count -- number of qualifications in the curve
    from forecasts
    left join campaigns on forecasts.campaign_id = campaigns.campaign_id
)

select * from final
order by campaign_id, unit
