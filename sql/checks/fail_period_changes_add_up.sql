-- rule: first published + the changes of all reasons = current, and current is what the daily funnel shows
-- reads: marts.period_changes, marts.referral_funnel_daily
-- Per campaign, day and measure, over all sources. No count of people is below zero, and no row is without a change.

with changes as (
    select * from marts.period_changes
),

daily as (
    select * from marts.referral_funnel_daily
),

measures as (
    select
        campaign_id,
        day_on,
        measure,
        min(first_published_count) as first_published_count,
        max(current_count) as current_count,
        sum(change_count) as change_count,
        coalesce(
            min(first_published_count) <> max(first_published_count)
            or min(current_count) <> max(current_count)
            or min(first_published_count) < 0
            or bool_or(change_count = 0), true
        ) as is_contradictory
    from changes
    group by campaign_id, day_on, measure
),

shown as (
    select
        daily.campaign_id,
        daily.day_on,
        cast(sum(daily.new_users_count) as bigint) as new_users_count,
        cast(sum(daily.new_referrals_count) as bigint) as new_referrals_count,
        cast(sum(daily.qualified_count) as bigint) as qualified_count,
        cast(sum(daily.unsubscribed_count) as bigint) as unsubscribed_count,
        cast(sum(daily.deleted_count) as bigint) as deleted_count
    from daily
    semi join measures on daily.campaign_id = measures.campaign_id and daily.day_on = measures.day_on
    group by daily.campaign_id, daily.day_on
),

final as (
    select
        measures.campaign_id,
        measures.day_on,
        measures.first_published_count,
        measures.change_count,
        measures.current_count
    from measures
    left join shown on measures.campaign_id = shown.campaign_id and measures.day_on = shown.day_on
    where
        measures.is_contradictory
        or measures.first_published_count + measures.change_count <> measures.current_count
        or measures.current_count <> coalesce(
            case measures.measure
                when 'new_users_count' then shown.new_users_count
                when 'new_referrals_count' then shown.new_referrals_count
                when 'qualified_count' then shown.qualified_count
                when 'unsubscribed_count' then shown.unsubscribed_count
                when 'deleted_count' then shown.deleted_count
            end, 0
        )
)

select * from final
