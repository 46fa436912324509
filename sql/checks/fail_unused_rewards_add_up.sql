-- rule: rewards settled on use are all issued rewards of their unit; they are used, expired, withdrawn or unused; and the
--   last day of the roll-forward closes with the unused ones
-- reads: marts.unused_rewards, marts.unused_rewards_daily, core.rewards_issued, intermediate.int_unit_terms
-- The total of issued rewards is computed from their list alone, without coupons and terms of expiry. If all rewards of a
-- unit were used, expired or withdrawn before the unit was settled on use, they are on no day of the roll-forward.

with rewards as (
    select * from marts.unused_rewards
),

daily as (
    select * from marts.unused_rewards_daily
),

terms as (
    select unit from intermediate.int_unit_terms
    where settles_on = 'use' and until_on is null
),

listed as (
    select
        issued.campaign_id,
        issued.unit,
        sum(issued.issued_count) as issued_count,
        sum(issued.issued_value) as issued_value
    from core.rewards_issued as issued
    semi join terms on issued.unit = terms.unit
    where issued.issued_at is not null and issued.issued_count > 0
    group by issued.campaign_id, issued.unit
),

closings as (
    select
        campaign_id,
        unit,
        max_by(closing_count, day_on) as closing_count,
        max_by(closing_value, day_on) as closing_value
    from daily
    group by campaign_id, unit
),

final as (
    select
        coalesce(rewards.campaign_id, listed.campaign_id) as campaign_id,
        coalesce(rewards.unit, listed.unit) as unit,
        listed.issued_count as listed_count,
        listed.issued_value as listed_value,
        rewards.issued_count,
        rewards.issued_value,
        rewards.used_count + rewards.expired_count + rewards.withdrawn_count + rewards.unused_count as outcomes_count,
        rewards.used_value + rewards.expired_value + rewards.withdrawn_value + rewards.unused_value as outcomes_value,
        rewards.unused_count,
        rewards.unused_value,
        closings.closing_count,
        closings.closing_value
    from rewards
    full join listed on rewards.campaign_id = listed.campaign_id and rewards.unit = listed.unit
    left join closings on rewards.campaign_id = closings.campaign_id and rewards.unit = closings.unit
    where
        rewards.issued_count is distinct from listed.issued_count
        or rewards.issued_value is distinct from coalesce(listed.issued_value, 0)
        or rewards.issued_count <> outcomes_count
        or rewards.issued_value <> outcomes_value
        or rewards.unused_count <> coalesce(closings.closing_count, 0)
        or rewards.unused_value <> coalesce(closings.closing_value, 0)
)

select * from final
