-- rule: within a journey of the funnel no stage is larger than the one before, so no share is above 1
-- reads: marts.referral_funnel
-- Advocates and friends are compared with their own journey only; reach (views) and the states of rewards have no shares.

with funnel as (
    select * from marts.referral_funnel
),

compared as (
    select
        *,
        lag(stage_count) over (partition by campaign_id, journey order by stage_order) as count_before
    from funnel
),

final as (
    select
        campaign_id,
        stage_order,
        stage_count,
        previous_count,
        count_before,
        share_of_previous,
        share_of_first
    from compared
    where
        case
            when journey not in ('advocates', 'friends')
                then coalesce(previous_count, first_count, share_of_previous, share_of_first) is not null
            else
                stage_count < 0
                or stage_count > count_before
                or previous_count is distinct from count_before
                or share_of_previous > 1
                or share_of_first > 1
        end
)

select * from final
