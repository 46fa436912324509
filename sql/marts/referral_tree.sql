-- grain: one row per user who is not deleted
-- key: user_id
-- references: referrer_id core.users, root_id core.users
-- metrics: none
-- reads: intermediate.int_people, intermediate.int_referrers, intermediate.int_referral_paths,
--   intermediate.int_vanished_rows
-- money: none
-- time: as of the time of the data
-- The position of each user in the referral forest: root, depth and downstream counts. Downstream are all other people
-- that can be reached from referrer to referral, each counted once. A user whose referrer does not exist (deleted, or
-- never seen) is a root and marked as an orphan. A cycle has no root: its lowest user_id is used as one, all its members
-- have depth 0, and each has all the others and everyone below them downstream. A self-referral is marked and is a root.
-- answers: Who belongs to this person's network? How deep are the referrals? Which trees are the largest? Who is in a
-- cycle of referrals?
-- wrong: a tree is split where a person was deleted: the people below do not count for the referrers above. Referrers may
-- be in other campaigns than their referrals; a tree may contain people of several campaigns.

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

-- A leaf is one step below its referrer; a user whose referrer does not exist is a root.
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
        placed.user_id, -- user
        placed.campaign_id, -- campaign of the user; 0 = no campaign
        placed.referrer_id, -- user who invited this one, deleted or not; null = joined without an invitation
        placed.root_id, -- user at the top of the tree; in and below a cycle the lowest user_id of the cycle
        placed.depth, -- steps down from the root; 0 = a root, an orphan or a member of a cycle
        placed.referrals_count, -- other people who name this one as their referrer
        placed.qualified_count, -- of these, qualified
        placed.downstream_count, -- other people anywhere below
        placed.qualified_downstream_count, -- of these, qualified
        placed.is_referral and placed.parent_id is null and not placed.is_self_referral
            as is_orphan, -- whether the referrer does not exist
        gone.user_id is not null as has_deleted_referrer, -- of the orphans: whether the referrer was deleted
        placed.is_in_cycle or placed.is_self_referral
            as is_in_cycle, -- whether the user is their own referrer, directly or through others
        placed.is_self_referral, -- whether the user names themselves as referrer
        placed.has_cycle_above as has_cycle_root -- whether the top of the tree is a cycle of several people instead of a root
    from placed
    left join gone on placed.referrer_id = gone.user_id
)

select * from final
