-- grain: one row per user who is there
-- reads: intermediate.int_people, intermediate.int_referrers, intermediate.int_referral_paths,
--   intermediate.int_vanished_rows
-- money: none
-- time: none
-- materialized: table
-- The rows of marts.referral_tree, which documents the columns. They are computed here because the fraud signals need
-- them too, and no mart reads a mart.

with people as (
    select * from intermediate.int_people
),

referrers as (
    select * from intermediate.int_referrers
),

paths as (
    select * from intermediate.int_referral_paths
),

vanished as (
    select * from intermediate.int_vanished_rows
),

gone as (
    select record_id as user_id from vanished
    where stream = 'users'
),

inner_nodes as (
    select
        paths.*,
        referrers.referrals_count,
        referrers.qualified_count
    from paths
    inner join referrers on paths.user_id = referrers.user_id
),

-- A leaf hangs one below its referrer; who has no referrer there is a root.
placed as (
    select
        people.user_id,
        people.campaign_id,
        people.referrer_id,
        people.is_referral,
        people.is_referral and people.referrer_id = people.user_id as is_self_referral,
        upper.user_id as parent_id,
        coalesce(own.root_id, upper.root_id, people.user_id) as root_id,
        coalesce(own.depth, upper.depth + 1, 0) as depth,
        coalesce(own.referrals_count, 0) as referrals_count,
        coalesce(own.qualified_count, 0) as qualified_count,
        coalesce(own.downstream_count, 0) as downstream_count,
        coalesce(own.qualified_downstream_count, 0) as qualified_downstream_count,
        coalesce(own.is_in_cycle, false) as is_in_cycle,
        coalesce(own.has_cycle_above, upper.has_cycle_above, false) as has_cycle_above
    from people
    left join inner_nodes as own on people.user_id = own.user_id
    left join paths as upper on nullif(people.referrer_id, people.user_id) = upper.user_id
),

final as (
    select
        placed.user_id,
        placed.campaign_id,
        placed.referrer_id,
        placed.root_id,
        placed.depth,
        placed.referrals_count,
        placed.qualified_count,
        placed.downstream_count,
        placed.qualified_downstream_count,
        placed.is_referral and placed.parent_id is null and not placed.is_self_referral
            as is_orphan,
        gone.user_id is not null as has_deleted_referrer,
        placed.is_in_cycle or placed.is_self_referral as is_in_cycle,
        placed.is_self_referral,
        placed.has_cycle_above as has_cycle_root
    from placed
    left join gone on placed.referrer_id = gone.user_id
)

select * from final
