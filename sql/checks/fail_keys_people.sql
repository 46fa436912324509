-- rule: everybody who is there has one place in the referral tree, every referrer one row of performance
-- reads: core.users, marts.referral_tree, marts.referrer_performance
-- By number, because these two are as long as core.users.

with users as (
    select * from core.users
),

tree as (
    select * from marts.referral_tree
),

performance as (
    select * from marts.referrer_performance
),

keys as (
    select
        'marts.referral_tree' as table_name,
        user_id as key_id,
        1 as rows_count,
        0 as wanted_count
    from tree
    union all
    select
        'marts.referral_tree' as table_name,
        user_id as key_id,
        0 as rows_count,
        1 as wanted_count
    from users
    where deleted_at is null
    union all
    select
        'marts.referrer_performance' as table_name,
        user_id as key_id,
        1 as rows_count,
        0 as wanted_count
    from performance
    union all
    select
        'marts.referrer_performance' as table_name,
        user_id as key_id,
        0 as rows_count,
        1 as wanted_count
    from tree
    where referrals_count > 0
),

final as (
    select
        table_name,
        key_id,
        sum(rows_count) as rows_count
    from keys
    group by table_name, key_id
    having sum(rows_count) <> 1 or sum(wanted_count) <> 1 or key_id is null
)

select * from final
