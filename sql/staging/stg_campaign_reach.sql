-- grain: one row per campaign, the reach last seen
-- reads: raw.campaign_reach
-- money: none
-- time: UTC
-- The views of each campaign, kept apart from its versions because they change at every sync.

with source as (
    select * from raw.campaign_reach
),

final as (
    select
        id as campaign_id,
        reach,
        _fetched_at as last_seen_at
    from source
)

select * from final
