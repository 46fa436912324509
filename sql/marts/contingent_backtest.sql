-- grain: one row per campaign and unit in which its open referrals of 28 days ago might have fallen due
-- reads: intermediate.int_conversion_forecasts, core.campaigns
-- money: predicted_ is expected, rounded to the cent; actual_ is exact by what was promised then; never add across units
-- time: UTC, without a zone
-- How good marts.contingent_liability is: what its method would have said 28 days ago about the 28 days that followed,
-- from the dates up to that moment alone, beside what happened. Both sides take the promises as they were then, so the
-- difference is one of people. In the long run 80 of 100 rows should be within the interval.
-- answers: Can we believe the expected value? In which campaign was it off, and in which direction?
-- wrong: what was known then is told from today's rows: a qualification that was taken back since counts as none then
-- and now, and one of people who qualified a second time as a new one. Small campaigns hit or miss by a single person.

with forecasts as (
    select * from intermediate.int_conversion_forecasts
    where moment = 'then'
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
        forecasts.moment_at as predicted_at, -- the moment of the prediction, 28 days before the warehouse's own, UTC
        forecasts.open_count as open_referrals_count, -- referrals that had not qualified then; the same on each unit's row
        forecasts.chance_to_qualify, -- mean chance of one of them within 28 days, 0 to 1
        forecasts.expected_qualified as predicted_qualified, -- how many were expected to qualify within 28 days
        forecasts.later_count as actual_qualified_count, -- how many did
        forecasts.expected_value as predicted_value, -- value that was expected to fall due
        forecasts.low_value, -- 10 of 100 outcomes are below
        forecasts.high_value, -- 10 of 100 outcomes are above
        forecasts.later_value as actual_value, -- value that did, by what was promised then
        forecasts.later_value between forecasts.low_value and forecasts.high_value
            as is_within_interval, -- whether it lies between low_value and high_value; null = nothing was predicted
        forecasts.is_pooled, -- true: the curve was the whole account's, because the campaign's own was too thin
        forecasts.basis_count -- qualifications that the curve was made of
    from forecasts
    left join campaigns on forecasts.campaign_id = campaigns.campaign_id
)

select * from final
order by campaign_id, unit
