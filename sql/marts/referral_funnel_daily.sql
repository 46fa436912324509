-- grain: one row per campaign, source and day, without gaps from the first event to the day of the build
-- key: campaign_id, source, day_on
-- references: reward_unit core.units
-- metrics: new_users_count, new_referrals_count, qualified_count as newly_qualified_count,
--   unsubscribed_count as newly_unsubscribed_count, deleted_count as newly_deleted_count, rewards_accrued_count,
--   rewards_issued_count, rewards_reversed_count, coupons_issued_count, coupons_used_count
-- reads: core.users, core.coupons, intermediate.int_reward_ledger, intermediate.int_build_clock
-- money: values only where all reward movements of the campaign share one unit, else null (reward_unit says which)
-- time: days in UTC; each event on the day it happened, deletions and rewards on the day a sync noticed them
-- compression: rle
-- Events of each day. Deleted people still count on the days on which they joined and qualified; their deletion is
-- counted on the day on which a sync noticed it, so that new less deleted is the current number. Rewards count for the
-- source of their recipient, coupons for that of their holder. The twelve sources with most people have rows of their
-- own, and so have people without a source ('unknown'). All others, and those of more than 200 characters, are together
-- in 'other', so that the table stays small where each person has a source of their own or sources are long texts.
-- answers: How many joined, were invited, qualified or left each day, and from which source? What did it cost?
-- wrong: a revoked qualification is no longer on its day, of several qualifications of a person only the latest is
-- counted, and a person who moves to another campaign is moved on all days; marts.period_changes lists the days that
-- changed after they were closed. Events without a date are on no day. Events dated before 2000 or after the build are on
-- the first or the last day. Reward movements begin with the second sync; what the first sync found had become due before
-- it.

with users as not materialized (
    select * from core.users
),

coupons as (
    select * from core.coupons
),

ledger as (
    select * from intermediate.int_reward_ledger
),

clock as (
    select * from intermediate.int_build_clock
),

sources as (
    select
        source,
        row_number() over (order by count(*) desc, source) <= 12 as is_large
    from users
    where length(source) <= 200
    group by source
),

joined as (
    select
        coalesce(campaign_id, 0) as campaign_id,
        source,
        cast(joined_at as date) as day_on,
        count(*) as new_users_count,
        count(referrer_id) as new_referrals_count
    from users
    where joined_at is not null
    group by all
),

qualified as (
    select
        coalesce(campaign_id, 0) as campaign_id,
        source,
        cast(qualified_at as date) as day_on,
        count(*) as qualified_count
    from users
    where is_qualified and referrer_id is not null and qualified_at is not null
    group by all
),

unsubscribed as (
    select
        coalesce(campaign_id, 0) as campaign_id,
        source,
        cast(unsubscribed_at as date) as day_on,
        count(*) as unsubscribed_count
    from users
    where is_unsubscribed and unsubscribed_at is not null
    group by all
),

deleted as (
    select
        coalesce(campaign_id, 0) as campaign_id,
        source,
        cast(deleted_at as date) as day_on,
        count(*) as deleted_count
    from users
    where deleted_at is not null
    group by all
),

rewarded as (
    select
        ledger.campaign_id,
        users.source,
        cast(ledger.sync_at as date) as day_on,
        sum(ledger.accrued_count) as rewards_accrued_count,
        sum(ledger.issued_count) as rewards_issued_count,
        sum(ledger.reversed_count) as rewards_reversed_count,
        sum(ledger.accrued_value) as rewards_accrued_value,
        sum(ledger.issued_value) as rewards_issued_value,
        sum(ledger.reversed_value) as rewards_reversed_value
    from ledger
    left join users on ledger.recipient_id = users.user_id
    where not ledger.is_opening_balance
    group by all
),

held as (
    select
        coalesce(coupons.campaign_id, 0) as campaign_id,
        users.source,
        cast(coupons.issued_at as date) as issued_on,
        cast(coupons.used_at as date) as used_on,
        count(*) as coupons_count
    from coupons
    left join users on coupons.user_id = users.user_id
    group by all
),

events as (
    select * from joined
    union all by name
    select * from qualified
    union all by name
    select * from unsubscribed
    union all by name
    select * from deleted
    union all by name
    select * from rewarded
    union all by name
    select
        campaign_id,
        source,
        issued_on as day_on,
        coupons_count as coupons_issued_count
    from held
    where issued_on is not null
    union all by name
    select
        campaign_id,
        source,
        used_on as day_on,
        coupons_count as coupons_used_count
    from held
    where used_on is not null
),

placed as (
    select
        events.* exclude (source, day_on),
        case when events.source is null then 'unknown' when sources.is_large then events.source else 'other' end as source,
        greatest(least(events.day_on, clock.as_of_on), least(date '2000-01-01', clock.as_of_on)) as day_on
    from events
    cross join clock
    left join sources on events.source = sources.source
),

per_day as (
    select
        campaign_id,
        source,
        day_on,
        cast(coalesce(sum(new_users_count), 0) as bigint) as new_users_count,
        cast(coalesce(sum(new_referrals_count), 0) as bigint) as new_referrals_count,
        cast(coalesce(sum(qualified_count), 0) as bigint) as qualified_count,
        cast(coalesce(sum(unsubscribed_count), 0) as bigint) as unsubscribed_count,
        cast(coalesce(sum(deleted_count), 0) as bigint) as deleted_count,
        cast(coalesce(sum(rewards_accrued_count), 0) as decimal(38, 0)) as rewards_accrued_count,
        cast(coalesce(sum(rewards_issued_count), 0) as decimal(38, 0)) as rewards_issued_count,
        cast(coalesce(sum(rewards_reversed_count), 0) as decimal(38, 0)) as rewards_reversed_count,
        coalesce(sum(rewards_accrued_value), 0) as rewards_accrued_value,
        coalesce(sum(rewards_issued_value), 0) as rewards_issued_value,
        coalesce(sum(rewards_reversed_value), 0) as rewards_reversed_value,
        cast(coalesce(sum(coupons_issued_count), 0) as bigint) as coupons_issued_count,
        cast(coalesce(sum(coupons_used_count), 0) as bigint) as coupons_used_count
    from placed
    group by campaign_id, source, day_on
),

units as (
    select
        campaign_id,
        case when count(distinct unit) = 1 then any_value(unit) end as reward_unit
    from ledger
    group by campaign_id
),

-- Each row represents its day and the days without events after it.
spans as (
    select
        per_day.*,
        units.reward_unit,
        coalesce(
            lead(per_day.day_on) over (partition by per_day.campaign_id, per_day.source order by per_day.day_on) - 1,
            clock.as_of_on,
            per_day.day_on
        ) as until_on
    from per_day
    cross join clock
    left join units on per_day.campaign_id = units.campaign_id
    order by per_day.campaign_id, per_day.source, per_day.day_on -- here, where rows are few: the days stay in this order
),

days as (
    select
        * rename (day_on as happened_on),
        cast(unnest(generate_series(day_on, until_on, interval 1 day)) as date) as day_on
    from spans
),

final as (
    select
        campaign_id, -- campaign; 0 = no campaign
        source, -- how the people came, in the API's words; unknown = none given, other = all but the twelve largest
        day_on, -- day, UTC
        case when day_on = happened_on then new_users_count else 0 end
            as new_users_count, -- people who joined, including those deleted since
        case when day_on = happened_on then new_referrals_count else 0 end
            as new_referrals_count, -- of these, people who were invited
        case when day_on = happened_on then qualified_count else 0 end
            as qualified_count, -- referrals whose present qualification is on this day
        case when day_on = happened_on then unsubscribed_count else 0 end
            as unsubscribed_count, -- people who unsubscribed on this day and have not subscribed again
        case when day_on = happened_on then deleted_count else 0 end as deleted_count, -- people whose deletion a sync noticed
        case when day_on = happened_on then rewards_accrued_count else 0 end
            as rewards_accrued_count, -- rewards that newly became owed
        case when day_on = happened_on then rewards_issued_count else 0 end
            as rewards_issued_count, -- rewards that were issued, less issues taken back
        case when day_on = happened_on then rewards_reversed_count else 0 end
            as rewards_reversed_count, -- rewards no longer owed and not issued
        reward_unit, -- unit of the three values below; null = no movements or several units, which must not be added
        case when reward_unit is null then null when day_on = happened_on then rewards_accrued_value else 0 end
            as rewards_accrued_value, -- value that newly became owed; null where units differ
        case when reward_unit is null then null when day_on = happened_on then rewards_issued_value else 0 end
            as rewards_issued_value, -- value that was issued, less issues taken back; null where units differ
        case when reward_unit is null then null when day_on = happened_on then rewards_reversed_value else 0 end
            as rewards_reversed_value, -- value no longer owed and not issued; null where units differ
        case when day_on = happened_on then coupons_issued_count else 0 end as coupons_issued_count, -- coupons handed out
        case when day_on = happened_on then coupons_used_count else 0 end as coupons_used_count -- coupons used
    from days
)

select * from final
