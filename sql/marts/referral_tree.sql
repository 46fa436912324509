-- grain: one row per user who is not deleted
-- key: user_id
-- references: referrer_id core.users, root_id core.users
-- metrics: none
-- reads: intermediate.int_referral_tree
-- money: none
-- time: as of the time of the warehouse
-- The position of each user in the referral forest: root, depth and downstream counts. Downstream are all other people
-- that can be reached from referrer to referral, each counted once. A user whose referrer does not exist (deleted, or
-- never seen) is a root and marked as an orphan. A cycle has no root: its lowest user_id is used as one, all its members
-- have depth 0, and each has all the others and everyone below them downstream. A self-referral is marked and is a root.
-- answers: Who belongs to this person's network? How deep are the referrals? Which trees are the largest? Who is in a
-- cycle of referrals?
-- wrong: a tree is split where a person was deleted: the people below count for no one above. Referrers may be in
-- other campaigns than their referrals; trees cross campaigns as the rows do.

with tree as (
    select * from intermediate.int_referral_tree
),

final as (
    select
        user_id, -- user
        campaign_id, -- campaign of the user; 0 = none
        referrer_id, -- user who invited this one, deleted or not; null = joined without an invitation
        root_id, -- user at the top of the tree; in and below a cycle the lowest user_id of the cycle
        depth, -- steps down from the root; 0 = a root, an orphan or a member of a cycle
        referrals_count, -- other people who name this one as their referrer
        qualified_count, -- of these, qualified
        downstream_count, -- other people anywhere below
        qualified_downstream_count, -- of these, qualified
        is_orphan, -- whether the referrer does not exist
        has_deleted_referrer, -- of the orphans: whether the referrer was deleted
        is_in_cycle, -- whether the user is their own referrer, directly or through others
        is_self_referral, -- whether the user names themselves as referrer
        has_cycle_root -- whether the tree ends in a cycle of several people instead of a root
    from tree
)

select * from final
