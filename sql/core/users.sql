-- grain: one row per user (anyone in a campaign: people referring and people invited)
-- key: user_id
-- references: referrer_id core.users
-- personal: first_name (name), email (e-mail), code (code), url (link), meta (free text), sharing (link),
--   sharing_message (free text), extra (free text)
-- reads: staging.stg_users, intermediate.int_vanished_rows
-- money: none
-- time: UTC, without a zone
-- Each person of each campaign as the API shows them now; a deleted one keeps the last known row and gets a
-- deleted_at. The only published table that has names and addresses; others refer to people by id.
-- answers: Who joined, when and through whom? Who has qualified? Who may be written to?
-- wrong: changes of names, addresses and the API's own counters have no date; they are noticed when the row is read
-- again: each sync reads some rows, a sweep reads all. ops.freshness shows how long ago rows were read.

with users as (
    select * from staging.stg_users
),

vanished as (
    select * from intermediate.int_vanished_rows
),

final as (
    select
        users.user_id, -- the API's id of the person in this campaign
        users.campaign_id, -- campaign the person is in
        users.referrer_id, -- user who invited this one; null = joined without an invitation
        users.first_name, -- first name as entered
        users.email, -- e-mail address as entered
        users.code, -- the person's referral code
        users.source, -- how the person came: Direct, Referred, Added, API and others, in the API's words
        users.joined_at, -- when the person joined the campaign, UTC
        users.is_qualified, -- whether the person has reached the goal of the campaign
        users.qualified_at, -- when the person qualified, UTC; null = not qualified
        users.is_unsubscribed, -- whether the person refuses messages
        users.unsubscribed_at, -- when the person unsubscribed, UTC; null = not unsubscribed
        users.reach, -- the API's count of views of the person's link; not people
        users.referrals_count, -- the API's own count of people this one invited
        users.converted_referrals_count, -- the API's own count of those who qualified
        users.url, -- the person's referral link
        users.meta, -- answers to the campaign's form fields, as JSON
        users.sharing, -- the person's links for social networks, as JSON
        users.sharing_message, -- text proposed for sharing, as JSON
        users.last_seen_at, -- when a sync last found the row new or changed, UTC; reading it unchanged does not update this
        vanished.deleted_at, -- when a sync found the person deleted, UTC; null = still there
        users.extra -- fields of the API that are not among the columns, as JSON
    from users
    left join vanished on users.user_id = vanished.record_id and vanished.stream = 'users'
)

select * from final
