-- grain: one row per campaign and unit that is settled on use (setting warehouse.settles_on)
-- key: campaign_id, unit
-- metrics: unused_count as unused_rewards_count, unused_value as unused_rewards_value, expected_breakage_value
-- reads: intermediate.int_issued_parts, intermediate.int_expected_use, core.campaigns
-- money: exact, in the row's unit, except expected_, low_ and high_value; never add values across units
-- time: UTC; as of the time of the data
-- Rewards that were issued and are owed until they are used, such as the company's own coupons and store credit: issued =
-- used + expired + withdrawn + unused, for counts and values. What is owed in such a unit is unused_value here and
-- owed_value of marts.reward_liability. Expected breakage is what is expected never to be used: unused rewards x the
-- probability from the Kaplan-Meier curve of the uses so far; low_value and high_value enclose the used part in 80 of 100
-- cases. For context, not as advice: accounting standards treat such amounts as a contract liability with breakage (ASC
-- 606-10-55-46 to 49, ASC 405-20, IFRS 15 paragraphs B44 to B47).
-- answers: What do we owe in coupons that were issued and not used? How much of it will probably never be used?
-- wrong: the API connects no coupon with a reward: the n-th reward of a recipient is taken to be the recipient's n-th
-- coupon. A reward for which the API shows no coupon (without_coupon_count) can never be seen to be used: it is owed
-- until it expires, and is in no curve. Dates are the vendor's: a use that is reported late changes closed days.

with parts as (
    select * from intermediate.int_issued_parts
    where is_settled_on_use
),

forecasts as (
    select * from intermediate.int_expected_use
    where cutoff = 'now'
),

campaigns as (
    select
        campaign_id,
        left(name, 200) as name
    from core.campaigns
),

counted as (
    select
        campaign_id,
        unit,
        max(expires_after_days) as expires_after_days,
        sum(part_count) as issued_count,
        sum(part_value) as issued_value,
        coalesce(sum(part_count) filter (where outcome = 'used'), 0) as used_count,
        coalesce(sum(part_value) filter (where outcome = 'used'), 0) as used_value,
        coalesce(sum(part_count) filter (where outcome = 'expired'), 0) as expired_count,
        coalesce(sum(part_value) filter (where outcome = 'expired'), 0) as expired_value,
        coalesce(sum(part_count) filter (where outcome = 'withdrawn'), 0) as withdrawn_count,
        coalesce(sum(part_value) filter (where outcome = 'withdrawn'), 0) as withdrawn_value,
        coalesce(sum(part_count) filter (where outcome = 'unused'), 0) as unused_count,
        coalesce(sum(part_value) filter (where outcome = 'unused'), 0) as unused_value,
        coalesce(sum(part_count) filter (where outcome = 'unused' and not has_coupon), 0) as without_coupon_count,
        coalesce(sum(part_value) filter (where outcome = 'unused' and not has_coupon), 0) as without_coupon_value,
        min(issued_at) filter (where outcome = 'unused') as oldest_issued_at
    from parts
    group by campaign_id, unit
),

final as (
    select
        counted.campaign_id, -- campaign of the reward, else of the recipient; 0 = no campaign
        campaigns.name as campaign_name, -- name in the dashboard, up to 200 characters
        counted.unit, -- what the values are counted in; values of different units must not be added
        counted.expires_after_days, -- days after which unused rewards expire; null = never
        counted.issued_count, -- rewards issued so far
        counted.issued_value, -- value of issued_count
        counted.used_count, -- of these, used
        counted.used_value, -- value of used_count
        counted.expired_count, -- of these, not used in time
        counted.expired_value, -- value of expired_count
        counted.withdrawn_count, -- of these, withdrawn: the coupon was deleted unused, or the reward left the list
        counted.withdrawn_value, -- value of withdrawn_count
        counted.unused_count, -- of these, still owed: neither used, expired nor withdrawn
        counted.unused_value, -- value of unused_count
        counted.without_coupon_count, -- of unused_count: no coupon of the recipient is known for them
        counted.without_coupon_value, -- value of without_coupon_count
        counted.oldest_issued_at, -- when the oldest unused one was issued, UTC
        forecasts.expected_value + counted.without_coupon_value
            as expected_used_value, -- of unused_value: expected to be used, plus without_coupon_value; null = no curve yet
        forecasts.low_value + counted.without_coupon_value as low_value, -- 10 of 100 outcomes are below this
        forecasts.high_value + counted.without_coupon_value as high_value, -- 10 of 100 outcomes are above this
        forecasts.unused_value - forecasts.expected_value as expected_breakage_value, -- of unused_value: expected never to be used
        forecasts.is_pooled, -- true: the curve is that of the whole account, because the campaign has fewer than 30 uses
        forecasts.basis_count, -- number of uses in the curve
        forecasts.last_age_days as curve_days_count -- oldest age in days of the curve
    from counted
    left join campaigns on counted.campaign_id = campaigns.campaign_id
    left join forecasts on counted.campaign_id = forecasts.campaign_id and counted.unit = forecasts.unit
)

select * from final
order by campaign_id, unit
