-- grain: one row per campaign and unit in which its open referrals may fall due
-- reads: intermediate.int_conversion_forecasts, core.campaigns
-- money: expected, not owed; rounded to the cent, in the row's unit; never add values across units
-- time: UTC, without a zone; as of the moment the warehouse is true for
-- What would fall due if referrals that have not qualified yet do so: each open referral x its chance to qualify at its
-- age x what the campaign promises now. The chance is read from the Kaplan-Meier curve of the campaign's own referrals,
-- or of the whole account where the campaign has fewer than 30 qualifications (is_pooled). low_value and high_value hold
-- the outcome in 80 of 100 cases, by the normal approximation: who qualifies is chance, and the curve is known from a
-- sample only (Greenwood). Nothing of this is recognised: it stands beside marts.reward_liability and the two are never
-- added up. For context, not as advice: accounting standards treat such promises to customers as consideration payable
-- to a customer (IFRS 15, paragraphs 70-72, and B42 for options on further goods; ASC 606-10-32-25).
-- answers: What may still fall due? How sure is that? How much of it within four weeks?
-- wrong: referrals are taken to decide independently, and the future like the past: a campaign that was paused, or
-- whose offer changed, keeps its old curve. After the oldest age with at least 10 people under watch (curve_days_count)
-- nobody is expected to qualify. Whoever unsubscribed may still qualify; whoever was deleted may not; a qualification
-- that was taken back counts as open again. Rewards that a campaign caps or gives only at a threshold are counted for
-- every referral, since the API does not tell. Null values: nobody in the account has qualified yet, so nothing is known.

with forecasts as (
    select * from intermediate.int_conversion_forecasts
    where moment = 'now'
),

campaigns as (
    select
        campaign_id,
        left(name, 200) as name
    from core.campaigns
),

soon as (
    select * from forecasts
    where horizon = '28 days'
),

final as (
    select
        forecasts.campaign_id, -- campaign
        campaigns.name as campaign_name, -- name in the dashboard, up to 200 characters
        forecasts.unit, -- what the values are counted in; values of different units must not be added
        forecasts.moment_at as as_of_at, -- the moment this is true for, UTC
        forecasts.open_count as open_referrals_count, -- referrals that have not qualified; the same on each unit's row
        forecasts.chance_to_qualify, -- mean chance that one of them ever will, 0 to 1
        forecasts.expected_qualified, -- how many of them are expected to; a mean, not a whole number
        forecasts.expected_value, -- value expected to fall due from them
        forecasts.low_value, -- 10 of 100 outcomes are below
        forecasts.high_value, -- 10 of 100 outcomes are above
        forecasts.most_value, -- value if every one of them qualified
        soon.expected_value as expected_28d_value, -- of expected_value: within the next 28 days
        forecasts.is_pooled, -- true: the curve is the whole account's, because the campaign's own is too thin
        forecasts.basis_count, -- qualifications that the curve is made of
        forecasts.last_age_days as curve_days_count -- oldest age in days that the curve knows; null = no curve
    from forecasts
    inner join soon on forecasts.campaign_id = soon.campaign_id and forecasts.unit = soon.unit
    left join campaigns on forecasts.campaign_id = campaigns.campaign_id
    where forecasts.horizon = 'ever'
)

select * from final
order by campaign_id, unit
