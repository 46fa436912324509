-- grain: one row per referrer: a user who is named as referrer by another user; neither is deleted
-- key: user_id
-- references: root_id core.users, reward_unit core.units
-- metrics: none
-- reads: core.rewards_due, core.rewards_issued, intermediate.int_issues_taken_back, intermediate.int_referrers,
--   intermediate.int_referral_paths
-- money: values only where all rewards of the person share one unit, else null (reward_unit)
-- time: UTC, without a zone
-- compression: rle
-- Referrals and earnings of each referrer. Referrals are the people who name the user as their referrer; downstream are
-- all people below the user in the tree. Earned are the rewards of the person, for inviting or for having been invited,
-- that are issued, due or in process; a reward whose issue was taken back does not count as issued. The rank is within
-- the person's campaign, by qualified referrals, then referrals, then downstream; ties share a rank.
-- answers: Who are our best referrers? What did they earn? Whose referrals bring further referrals?
-- wrong: deleted referrals do not count; reversed rewards are not earned. Names and addresses
-- are in core.users: join user_id.

with referrers as (
    select * from intermediate.int_referrers
),

paths as (
    select * from intermediate.int_referral_paths
),

due as (
    select * from core.rewards_due
),

issued as (
    select * from core.rewards_issued
),

taken_back as (
    select * from intermediate.int_issues_taken_back
),

reward_rows as (
    select
        recipient_id as user_id,
        unit,
        due_count as owed_count,
        due_value as owed_value,
        0 as issued_count,
        0 as issued_value
    from due
    union all
    select
        recipient_id as user_id,
        unit,
        case when is_in_process then issued_count else 0 end as owed_count,
        case when is_in_process then issued_value else 0 end as owed_value,
        case when issued_at is not null then issued_count else 0 end as issued_count,
        case when issued_at is not null then issued_value else 0 end as issued_value
    from issued
    where deleted_at is null or issued_at is not null
    union all
    select
        issued.recipient_id as user_id,
        issued.unit,
        0 as owed_count,
        0 as owed_value,
        -taken_back.taken_back_count as issued_count,
        -taken_back.taken_back_value as issued_value
    from taken_back
    inner join issued on taken_back.record_id = issued.issued_id
),

earned as (
    select
        reward_rows.user_id,
        sum(reward_rows.owed_count) as owed_count,
        sum(reward_rows.issued_count) as issued_count,
        case when min(reward_rows.unit) = max(reward_rows.unit) then min(reward_rows.unit) end as reward_unit,
        coalesce(sum(reward_rows.owed_value), 0) as owed_value,
        coalesce(sum(reward_rows.issued_value), 0) as issued_value
    from reward_rows
    semi join referrers on reward_rows.user_id = referrers.user_id
    group by reward_rows.user_id
),

final as (
    select
        referrers.user_id, -- user who refers
        referrers.campaign_id, -- campaign of the referrer; 0 = no campaign
        rank() over (
            partition by referrers.campaign_id
            order by referrers.qualified_count desc, referrers.referrals_count desc, paths.downstream_count desc
        ) as campaign_rank, -- rank in the campaign: by qualified, then referrals, then downstream; 1 is best
        referrers.referrals_count, -- other people who name this one as their referrer
        referrers.qualified_count, -- of these, qualified
        referrers.qualified_count / referrers.referrals_count
            as conversion_rate, -- qualified_count / referrals_count
        paths.downstream_count, -- other people anywhere below
        paths.qualified_downstream_count, -- of these, qualified
        paths.root_id, -- user at the top of the tree; in and below a cycle the lowest user_id of the cycle
        paths.depth, -- steps down from the root
        paths.is_in_cycle, -- whether the person is their own referrer, through others
        referrers.first_referral_at, -- when the first referral joined, UTC
        referrers.last_referral_at, -- when the latest referral joined, UTC
        cast(coalesce(earned.owed_count, 0) as decimal(38, 0)) as owed_count, -- rewards of the person that are due or in process
        cast(coalesce(earned.issued_count, 0) as decimal(38, 0)) as issued_count, -- rewards issued to the person
        earned.reward_unit, -- unit of the three values below; null = none or several units, which must not be added
        case when earned.reward_unit is not null then earned.owed_value end
            as owed_value, -- value due and in process; null where units differ
        case when earned.reward_unit is not null then earned.issued_value end
            as issued_value, -- value issued; null where units differ
        case when earned.reward_unit is not null then earned.owed_value + earned.issued_value end
            as earned_value -- owed_value + issued_value; null where units differ
    from referrers
    inner join paths on referrers.user_id = paths.user_id
    left join earned on referrers.user_id = earned.user_id
)

select * from final
