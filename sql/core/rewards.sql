-- grain: one row per reward definition
-- key: reward_id
-- personal: extra (free text)
-- reads: intermediate.int_rewards_latest
-- money: reward_value in whatever the reward type is counted in; the API names no currency
-- time: UTC, without a zone
-- Each reward that a campaign offers, as the API shows it now; a deleted one keeps its last known row.
-- answers: What does a campaign offer, to whom, and when does it become due? What is a reward worth?
-- wrong: reward_value is today's. Rewards that were granted earlier may have had another value: core.rewards_due and
-- core.rewards_issued have it.

with rewards as (
    select * from intermediate.int_rewards_latest
),

final as (
    select
        reward_id, -- the API's id of the reward definition
        campaign_id, -- campaign that offers the reward
        name, -- name of the reward
        reward_for, -- who receives it: the person referring or the person invited, in the API's words
        reward_type, -- kind of reward, e.g. a voucher brand, cash or a coupon, in the API's words
        reward_value, -- value of one reward in the unit of its type; null where the API returns none
        when_referral, -- what the referral must have done: invited or converted
        first_seen_at, -- first sync that saw the reward, UTC
        deleted_at, -- first complete list without it, UTC; null = still there
        extra -- fields of the API that are not among the columns, as JSON
    from rewards
)

select * from final
order by reward_id
