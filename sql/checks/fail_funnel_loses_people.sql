-- rule: the users of all funnels together are the users of core who are not deleted
-- reads: marts.referral_funnel, core.users
-- No user may be missing because the campaign is unknown.

with funnel as (
    select * from marts.referral_funnel
),

users as (
    select * from core.users
),

funnel_total as (
    select coalesce(sum(stage_count), 0) as funnel_count
    from funnel
    where stage = 'users'
),

users_total as (
    select count(*) as users_count
    from users
    where deleted_at is null
),

final as (
    select
        funnel_total.funnel_count,
        users_total.users_count
    from funnel_total
    cross join users_total
    where funnel_total.funnel_count <> users_total.users_count
)

select * from final
