-- rule: referrers and referrals are users, qualified are referrals: none of them exceeds the count that it is a part of
-- reads: marts.referral_funnel
-- Reach (views) and the reward stages may be larger than what precedes them and are not compared.

with funnel as (
    select * from marts.referral_funnel
),

parts as (
    select
        part.campaign_id,
        part.stage,
        part.stage_count,
        whole.stage as whole_stage,
        whole.stage_count as whole_count
    from funnel as part
    inner join funnel as whole
        on
            part.campaign_id = whole.campaign_id
            and (
                (part.stage in ('referrers', 'referrals') and whole.stage = 'users')
                or (part.stage = 'qualified' and whole.stage = 'referrals')
            )
),

final as (
    select * from parts
    where stage_count > whole_count or stage_count < 0
)

select * from final
