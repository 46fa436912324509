-- grain: one row per user id that is named as referrer and does not exist (any more)
-- reads: staging.stg_users, intermediate.int_vanished_rows
-- money: none
-- time: UTC; deleted_at is when a sync noticed the deletion; null = deleted before the first sync
-- materialized: table
-- Referrers who were deleted or never seen: no reward for referring becomes due to them (any more). This table is small.

with users as (
    select * from staging.stg_users
),

vanished as (
    select * from intermediate.int_vanished_rows
),

referrer_ids as (
    select distinct referrer_id from users
    where referrer_id is not null
),

never_seen as (
    select referrer_ids.referrer_id
    from referrer_ids
    anti join users on referrer_ids.referrer_id = users.user_id
),

final as (
    select
        referrer_id,
        cast(null as timestamp) as deleted_at
    from never_seen
    union all
    select
        referrer_ids.referrer_id,
        vanished.deleted_at
    from referrer_ids
    inner join vanished on referrer_ids.referrer_id = vanished.record_id and vanished.stream = 'users'
)

select * from final
