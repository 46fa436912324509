-- grain: one row per user who is named as referrer by another user; neither is deleted
-- reads: intermediate.int_people
-- money: none
-- time: UTC
-- materialized: table
-- The inner nodes of the referral forest, a small part of all people; all others are leaves. parent_id is the referrer's
-- own referrer, if not deleted. Self-referrals are left out.

with people as (
    select * from intermediate.int_people
),

named as (
    select
        referrer_id as user_id,
        count(*) as referrals_count,
        count(*) filter (where is_qualified_referral) as qualified_count,
        min(joined_at) as first_referral_at,
        max(joined_at) as last_referral_at
    from people
    where referrer_id <> user_id
    group by referrer_id
),

present as (
    select
        named.*,
        people.campaign_id,
        people.is_referral,
        people.is_qualified_referral,
        nullif(people.referrer_id, people.user_id) as own_referrer_id
    from named
    inner join people on named.user_id = people.user_id
),

final as (
    select
        present.* exclude (own_referrer_id),
        parents.user_id as parent_id
    from present
    left join present as parents on present.own_referrer_id = parents.user_id
)

select * from final
