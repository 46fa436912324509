-- grain: one row per user, the row last seen
-- reads: raw.users
-- money: none
-- time: UTC
-- Every person of every campaign as last received, including deleted ones.

with source as (
    select * from raw.users
),

final as (
    select
        id as user_id,
        campaign_id,
        referrer_id,
        first_name,
        email,
        code,
        source,
        url,
        meta,
        sharing,
        sharing_message,
        _extra as extra,
        reach,
        referrals_count,
        converted_referrals_count,
        qualified as is_qualified,
        unsubscribed as is_unsubscribed,
        date as joined_at,
        qualified_at,
        unsubscribed_at,
        _fetched_at as last_seen_at
    from source
)

select * from final
