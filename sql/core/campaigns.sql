-- grain: one row per campaign
-- key: campaign_id
-- personal: extra (free text)
-- reads: staging.stg_campaigns, staging.stg_campaign_reach
-- money: none
-- time: UTC, without a zone
-- Each campaign as the API shows it now; a campaign that is gone keeps its last known row and gets a deleted_at.
-- answers: Which campaigns are live? When does a campaign end? Which ones were removed from the account?
-- wrong: deleted_at is the first complete list without the campaign, not the time of its removal; reach is updated by
-- every sync and counts views, not people.

with campaigns as (
    select * from staging.stg_campaigns
),

campaign_reach as (
    select * from staging.stg_campaign_reach
),

ranked as (
    select
        *,
        min(seen_from_at) over (partition by campaign_id) as first_seen_at,
        row_number() over (
            partition by campaign_id
            order by seen_until_at desc nulls first, seen_from_at desc
        ) as recency
    from campaigns
),

final as (
    select
        ranked.campaign_id, -- the API's id of the campaign
        ranked.name, -- name in the dashboard
        ranked.url, -- the link where people join
        ranked.code, -- code of the campaign
        coalesce(campaign_reach.reach, ranked.reach) as reach, -- views of the campaign's pages and links; not people, not unique
        ranked.is_live, -- whether people can join now
        ranked.status, -- launched, draft or paused; other values are passed on unchanged
        ranked.starts_at, -- planned start, UTC; null = already started
        ranked.ends_at, -- planned end, UTC; null = open end
        ranked.first_seen_at, -- first sync that saw the campaign, UTC
        ranked.seen_until_at as deleted_at, -- first complete list without the campaign, UTC; null = still there
        ranked.extra -- fields of the API that are not among the columns, as JSON
    from ranked
    left join campaign_reach on ranked.campaign_id = campaign_reach.campaign_id
    where ranked.recency = 1
)

select * from final
order by campaign_id
