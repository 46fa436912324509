-- rule: the rates of people of a campaign are within 0 and 1, and each count is a part of the count that it is divided by
-- reads: marts.campaign_performance
-- referrals_per_user and referrals_per_referrer are not rates: they may be above 1.

with campaigns as (
    select * from marts.campaign_performance
),

rates as (
    select
        campaign_id,
        unnest([ -- noqa: AL03
            { 'part_count': referrers_count, 'whole_count': users_count, 'rate': user_participation_rate },
            { 'part_count': uninvited_referrers_count, 'whole_count': uninvited_users_count, 'rate': uninvited_participation_rate },
            { 'part_count': successful_referrers_count, 'whole_count': referrers_count, 'rate': null },
            { 'part_count': rewarded_referrers_count, 'whole_count': successful_referrers_count, 'rate': null },
            { 'part_count': qualified_count, 'whole_count': referrals_count, 'rate': conversion_rate },
            { 'part_count': mature_qualified_count, 'whole_count': mature_referrals_count, 'rate': mature_conversion_rate },
            { 'part_count': mature_referrals_count, 'whole_count': referrals_count, 'rate': null },
            { 'part_count': rewarded_referrals_count, 'whole_count': qualified_count, 'rate': null },
            { 'part_count': uninvited_users_count + referrals_count, 'whole_count': users_count, 'rate': null },
            { 'part_count': users_count, 'whole_count': uninvited_users_count + referrals_count, 'rate': null }
        ], max_depth := 2)
    from campaigns
),

final as (
    select * from rates
    where
        part_count < 0
        or part_count > whole_count
        or rate not between 0 and 1
)

select * from final
