-- grain: one row per coupon
-- key: coupon_id
-- personal: extra (free text)
-- reads: staging.stg_coupons, staging.stg_coupon_batches, staging.stg_users, intermediate.int_vanished_rows
-- money: none
-- time: UTC, without a zone
-- Each coupon that is assigned to a user, or was requested by name, as the API shows it now.
-- answers: Which user has which coupon? Which were used, and when?
-- wrong: the API documents no list of coupons: unassigned ones are unknown unless their names are configured.

with coupons as (
    select * from staging.stg_coupons
),

batches as (
    select
        batch_id,
        campaign_id,
        left(name, 200) as name
    from staging.stg_coupon_batches
),

users as (
    select * from staging.stg_users
),

vanished as (
    select * from intermediate.int_vanished_rows
),

final as (
    select
        coupons.coupon_id, -- the API's id of the coupon
        coupons.name, -- the coupon's text, as people enter it
        coupons.user_id, -- user it is assigned to (the API's referral_id); null = unassigned
        coupons.batch_id, -- batch in which it was uploaded
        batches.name as batch_name, -- name of the batch, up to 200 characters
        coalesce(batches.campaign_id, users.campaign_id) as campaign_id, -- campaign of the batch, else of the user
        coupons.issued_at, -- when it was issued, UTC
        coupons.used_at, -- when it was used, UTC; null = not used. Using it qualifies the user
        coupons.used_at is not null as is_used, -- whether it was used
        coupons.last_seen_at, -- when a sync last found the row new or changed, UTC; reading it unchanged does not update this
        vanished.deleted_at, -- when a sync found it deleted, UTC; null = still there
        coupons.extra -- fields of the API that are not among the columns, as JSON
    from coupons
    left join batches on coupons.batch_id = batches.batch_id
    left join users on coupons.user_id = users.user_id
    left join vanished on coupons.coupon_id = vanished.record_id and vanished.stream = 'coupons'
)

select * from final
