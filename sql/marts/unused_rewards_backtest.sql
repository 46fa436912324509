-- grain: one row per campaign and unit in which rewards with a coupon were unused 28 days ago
-- key: campaign_id, unit
-- metrics: none
-- reads: intermediate.int_expected_use, intermediate.int_build_clock, core.campaigns
-- money: predicted_, low_ and high_value are expected; unused_value and actual_value are exact; never add across units
-- time: days in UTC
-- Back-test of the expected use in marts.unused_rewards: what its method, using only dates up to 28 days ago, predicts
-- for the 28 days since, beside what was used. In the long run 80 of 100 rows should be within the interval.
-- answers: How reliable is the expected breakage? Where was it wrong, and in which direction?
-- wrong: the past state is computed from today's rows: a use that was undone since counts neither in the past state nor
-- in the result. In small campaigns a single large reward can put the result outside the interval.

with forecasts as (
    select * from intermediate.int_expected_use
    where cutoff = 'then'
),

clock as (
    select * from intermediate.int_build_clock
),

campaigns as (
    select
        campaign_id,
        left(name, 200) as name
    from core.campaigns
),

final as (
    select
        forecasts.campaign_id, -- campaign of the reward, else of the recipient; 0 = no campaign
        campaigns.name as campaign_name, -- name in the dashboard, up to 200 characters
        forecasts.unit, -- what the values are counted in; values of different units must not be added
        clock.as_of_on - 28 as predicted_on, -- day of the prediction, UTC
        forecasts.unused_count, -- rewards with a coupon that were unused on predicted_on
        forecasts.unused_value, -- value of unused_count
        forecasts.expected_value as predicted_value, -- of unused_value: expected to be used within 28 days
        forecasts.low_value, -- 10 of 100 outcomes are below this
        forecasts.high_value, -- 10 of 100 outcomes are above this
        forecasts.later_value as actual_value, -- of unused_value: used since
        forecasts.later_value between forecasts.low_value and forecasts.high_value
            as is_within_interval, -- whether actual_value is between low_value and high_value
        forecasts.is_pooled, -- true: the curve was that of the whole account
        forecasts.basis_count -- number of uses in the curve
    from forecasts
    cross join clock
    left join campaigns on forecasts.campaign_id = campaigns.campaign_id
)

select * from final
order by campaign_id, unit
