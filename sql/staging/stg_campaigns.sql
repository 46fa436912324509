-- grain: one row per campaign and version
-- reads: raw.campaigns
-- money: none
-- time: UTC; seen_from_at is in the interval, seen_until_at is not; null = this version holds now
-- Every version of every campaign that a complete list has shown.

with source as (
    select * from raw.campaigns
),

final as (
    select
        id as campaign_id,
        name,
        url,
        code,
        status,
        reach,
        live as is_live,
        starts_at,
        ends_at,
        _extra as extra,
        _fetched_at as fetched_at,
        timezone('UTC', cast(_dlt_valid_from as timestamptz)) as seen_from_at,
        timezone('UTC', cast(_dlt_valid_to as timestamptz)) as seen_until_at
    from source
)

select * from final
