-- rule: a user's referrals, counted from the rows, equal the API's own counters
-- reads: core.users
-- The API does not date changes of these counters, so they may be outdated by the age in ops.freshness; reading users
-- again updates them.

with users as (
    select * from core.users
),

counted as (
    select
        referrer_id,
        count(*) as referrals_count,
        count(*) filter (where is_qualified) as qualified_count
    from users
    where referrer_id is not null and deleted_at is null
    group by referrer_id
),

final as (
    select
        users.user_id,
        users.referrals_count as api_referrals_count,
        coalesce(counted.referrals_count, 0) as our_referrals_count,
        users.converted_referrals_count as api_qualified_count,
        coalesce(counted.qualified_count, 0) as our_qualified_count,
        users.last_seen_at
    from users
    left join counted on users.user_id = counted.referrer_id
    where
        users.deleted_at is null
        and (
            users.referrals_count <> coalesce(counted.referrals_count, 0)
            or users.converted_referrals_count <> coalesce(counted.qualified_count, 0)
        )
)

select * from final
