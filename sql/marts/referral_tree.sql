-- grain: one row per user who is there
-- reads: intermediate.int_referral_tree
-- money: none
-- time: as of the moment the warehouse is true for
-- Everybody's place in the referral forest: whose tree, how deep, how many below. Downstream are all other people one
-- reaches by going from referrer to referral, each counted once, oneself never. Somebody whose referrer is not there
-- (deleted, or never seen) begins a tree and is marked as an orphan. A cycle has no root: its lowest user_id stands
-- for one, all its members have depth 0, and each has all the others and everybody below them downstream. Who
-- names themselves is marked and stands as the root of their own tree.
-- answers: Whom does this person's network consist of? How deep do referrals run? Which trees are the largest? Who is
-- in a circle of referrals?
-- wrong: a tree breaks where a person was deleted: what hung below them counts for nobody above. Referrers may be in
-- other campaigns than their referrals; trees cross campaigns as the rows do.

with tree as (
    select * from intermediate.int_referral_tree
),

final as (
    select
        user_id, -- user
        campaign_id, -- campaign of the user; 0 = none
        referrer_id, -- user who invited this one, there or not; null = came without an invitation
        root_id, -- user at the top of the tree; in and below a cycle the lowest user_id of the cycle
        depth, -- steps down from the root; 0 = a root, an orphan or a member of a cycle
        referrals_count, -- other people who name this one as their referrer
        qualified_count, -- of these, qualified
        downstream_count, -- other people anywhere below
        qualified_downstream_count, -- of these, qualified
        is_orphan, -- whether the referrer is not there
        has_deleted_referrer, -- of the orphans: whether the referrer was there once
        is_in_cycle, -- whether one is one's own referrer, directly or by way of others
        is_self_referral, -- whether the row names itself as its referrer
        has_cycle_root -- whether the tree ends in a cycle of several people instead of a root
    from tree
)

select * from final
