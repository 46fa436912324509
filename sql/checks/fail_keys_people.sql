-- rule: every user who is not deleted has one row in the referral tree, every referrer one row in performance
-- reads: core.users, marts.referral_tree, marts.referrer_performance
-- These two have as many rows as core.users, whose ids are unique (fail_keys_core). So their ids are compared by number and
-- by the sum of their hashes, which takes no memory: a doubled, lost or invented id changes one of them.

with users as (
    select * from core.users
),

tree as (
    select * from marts.referral_tree
),

performance as (
    select * from marts.referrer_performance
),

sides as (
    select
        'marts.referral_tree' as table_name,
        1 as sign,
        user_id
    from tree
    union all
    select
        'marts.referral_tree' as table_name,
        -1 as sign,
        user_id
    from users
    where deleted_at is null
    union all
    select
        'marts.referrer_performance' as table_name,
        1 as sign,
        user_id
    from performance
    union all
    select
        'marts.referrer_performance' as table_name,
        -1 as sign,
        user_id
    from tree
    where referrals_count > 0
),

final as (
    select
        table_name,
        sum(sign) as surplus_count,
        count(*) - count(user_id) as nulls_count
    from sides
    group by table_name
    having surplus_count <> 0 or nulls_count <> 0 or sum(sign * cast(hash(user_id) as hugeint)) <> 0
)

select * from final
