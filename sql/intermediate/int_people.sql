-- grain: one row per user who is not deleted
-- reads: staging.stg_users, intermediate.int_vanished_rows
-- money: none
-- time: UTC
-- materialized: table
-- The people that every count of people is based on: few columns, and the definitions that many models share. A referral
-- is a user who names a referrer, deleted or not; a qualified referral is one who has reached the goal of the campaign.
-- Users without a campaign are in campaign 0.

with users as (
    select * from staging.stg_users
),

vanished as (
    select * from intermediate.int_vanished_rows
),

gone as (
    select record_id as user_id from vanished
    where stream = 'users'
),

final as (
    select
        users.user_id,
        coalesce(users.campaign_id, 0) as campaign_id,
        users.referrer_id,
        users.referrer_id is not null as is_referral,
        users.referrer_id is not null and coalesce(users.is_qualified, false) as is_qualified_referral,
        coalesce(users.is_unsubscribed, false) as is_unsubscribed,
        users.joined_at,
        users.qualified_at
    from users
    anti join gone on users.user_id = gone.user_id
)

select * from final
