-- rule: the tree has every referral once: under its referrer, as an orphan, or as a self-referral; depths match
--   downstream counts
-- reads: core.users, marts.referral_tree
-- The third comparison checks depths and downstream counts together: outside of cycles a user of depth n is downstream of
-- n people, so the sum of all depths equals the sum of all downstream counts.

with users as (
    select * from core.users
),

tree as (
    select * from marts.referral_tree
),

from_core as (
    select
        count(*) filter (where referrer_id is not null) as referrals_count,
        count(*) filter (where is_qualified and referrer_id is not null) as qualified_count
    from users
    where deleted_at is null
),

from_tree as (
    select
        count(*) filter (where is_orphan or is_self_referral) as unattached_count,
        coalesce(sum(referrals_count), 0) as referrals_count,
        coalesce(sum(qualified_count), 0) as qualified_count,
        coalesce(sum(depth) filter (where not has_cycle_root), 0) as depths_count,
        coalesce(sum(downstream_count) filter (where not has_cycle_root), 0) as downstream_count,
        coalesce(bool_or(downstream_count < referrals_count or qualified_downstream_count > downstream_count), false) as has_impossible
    from tree
),

final as (
    select
        from_core.referrals_count as core_referrals_count,
        from_tree.referrals_count as tree_referrals_count,
        from_tree.unattached_count,
        from_core.qualified_count as core_qualified_count,
        from_tree.qualified_count as tree_qualified_count,
        from_tree.depths_count,
        from_tree.downstream_count
    from from_core
    cross join from_tree
    where
        from_core.referrals_count <> from_tree.referrals_count + from_tree.unattached_count
        or from_core.qualified_count < from_tree.qualified_count
        or from_tree.depths_count <> from_tree.downstream_count
        or from_tree.has_impossible
)

select * from final
