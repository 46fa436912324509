-- grain: one row per campaign and unit in which rewards for its open referrals may become due
-- key: campaign_id, unit
-- metrics: expected_value as contingent_expected_value, expected_28d_value as contingent_expected_28d_value,
--   most_value as contingent_most_value
-- reads: intermediate.int_conversion_forecasts, core.campaigns
-- money: expected, not owed; rounded to the published digits, in the row's unit; never add values across units
-- time: UTC, without a zone; as of the time of the data
-- Rewards that become due if referrals that have not qualified yet do so: the sum over open referrals of the probability
-- that one of that age qualifies x the campaign's current rewards. The probability is from the Kaplan-Meier curve of the
-- campaign's own referrals, or of the whole account where the campaign has fewer than 30 qualifications (is_pooled). The
-- outcome is between low_value and high_value in 80 of 100 cases, by the normal approximation; the variance is that of
-- who qualifies plus that of the curve, which is estimated from a sample (Greenwood). Nothing here is owed; never add it
-- to marts.reward_liability. For context, not as advice: accounting standards treat such promises to customers as
-- consideration payable to a customer (IFRS 15, paragraphs 70-72, and B42 for options on further goods; ASC
-- 606-10-32-25).
-- answers: What may still become due? How certain is that? How much of it within 28 days?
-- wrong: referrals are assumed to be independent, and the future to be like the past: a campaign that was paused, or
-- whose offer changed, keeps its old curve. After the oldest age with at least 10 people at risk (curve_days_count) no
-- qualification is expected. Unsubscribed people may still qualify, deleted ones may not; a referral with a revoked
-- qualification is open again. Rewards with a cap or a threshold are counted for every referral, since the API does not
-- return these rules. Null values: no referral of the account has qualified yet.

with forecasts as (
    select * from intermediate.int_conversion_forecasts
    where cutoff = 'now'
),

campaigns as (
    select
        campaign_id,
        left(name, 200) as name
    from core.campaigns
),

within_28d as (
    select * from forecasts
    where horizon = '28 days'
),

final as (
    select
        forecasts.campaign_id, -- campaign
        campaigns.name as campaign_name, -- name in the dashboard, up to 200 characters
        forecasts.unit, -- what the values are counted in; values of different units must not be added
        forecasts.cutoff_at as as_of_at, -- time of the data, UTC
        forecasts.open_count as open_referrals_count, -- referrals that have not qualified; the same on each unit's row
        forecasts.chance_to_qualify, -- mean probability that one of them ever qualifies, 0 to 1
        forecasts.expected_qualified, -- number of them expected to qualify; a mean, not a whole number
        forecasts.expected_value, -- value expected to become due from them
        forecasts.low_value, -- 10 of 100 outcomes are below this
        forecasts.high_value, -- 10 of 100 outcomes are above this
        forecasts.most_value, -- value if every one of them qualified
        within_28d.expected_value as expected_28d_value, -- of expected_value: within the next 28 days
        forecasts.is_pooled, -- true: the curve is that of the whole account, because the campaign's own has too little data
        forecasts.basis_count, -- number of qualifications in the curve
        forecasts.last_age_days as curve_days_count -- oldest age in days of the curve; null = no curve
    from forecasts
    inner join within_28d on forecasts.campaign_id = within_28d.campaign_id and forecasts.unit = within_28d.unit
    left join campaigns on forecasts.campaign_id = campaigns.campaign_id
    where forecasts.horizon = 'ever'
)

select * from final
order by campaign_id, unit
