-- grain: one row per user and rule
-- key: user_id, rule
-- metrics: rows as fraud_signals_count
-- reads: core.users, intermediate.int_people, intermediate.int_referrers, intermediate.int_referral_cycles,
--   intermediate.int_disposable_domains
-- money: none
-- time: UTC, without a zone
-- People to review before a reward is paid. A signal is no proof: families share addresses, offices join within an hour,
-- and typing errors look like aliases. Rules: self_referral (the row names itself as referrer), referral_cycle (a user is
-- their own referrer through other users), self_referral_email (the referrer has the same mailbox), same_email (the same
-- address more than once in a campaign), alias_email (the same mailbox in a campaign under several spellings), burst_hour
-- and burst_day (10 people within an hour, 30 within a day, through one referrer), disposable_domain (a provider of
-- throw-away addresses). A mailbox is the address in lower case without the part after a plus sign, at Gmail also without
-- dots. Deleted people are left out.
-- answers: Which rewards should be reviewed before they are paid? Who refers themselves? Through which referrer did many
-- people join at once?
-- wrong: every rule also finds honest people, and misses careful fraud. Not every provider treats a plus sign as an
-- alias. The list of domains is short (sql/intermediate/int_disposable_domains.sql). The evidence is ids and counts;
-- addresses are in core.users.

with users as not materialized (
    select * from core.users
),

referrers as (
    select * from intermediate.int_referrers
),

domains as (
    select * from intermediate.int_disposable_domains
),

people as (
    select * from intermediate.int_people
),

cycles as (
    select * from intermediate.int_referral_cycles
),

-- Most addresses need only lower(); trim is the most expensive function here and is applied only where needed.
addresses as not materialized (
    select
        user_id,
        coalesce(campaign_id, 0) as campaign_id,
        referrer_id,
        case when contains(email, ' ') then lower(trim(email)) else lower(email) end as address,
        split_part(address, '@', 2) as domain,
        case
            when domain in ('gmail.com', 'googlemail.com')
                then replace(split_part(split_part(address, '@', 1), '+', 1), '.', '') || '@gmail.com'
            when strpos(address, '+') > 1
                then split_part(split_part(address, '@', 1), '+', 1) || '@' || domain
            else address
        end as mailbox
    from users
    where deleted_at is null and contains(email, '@')
),

-- Hashes find the few mailboxes that occur more than once; only these are compared as texts.
marked as materialized (
    select
        addresses.user_id,
        hash(addresses.mailbox) as mailbox_hash,
        domains.domain as disposable_domain
    from addresses
    left join domains on addresses.domain = domains.domain
),

mailbox_hashes as (
    select mailbox_hash
    from marked
    group by mailbox_hash
    having count(*) > 1
),

suspects as (
    select marked.user_id
    from marked
    semi join mailbox_hashes on marked.mailbox_hash = mailbox_hashes.mailbox_hash
),

shared as materialized (
    select
        addresses.user_id,
        addresses.campaign_id,
        addresses.referrer_id,
        addresses.address,
        addresses.mailbox
    from addresses
    semi join suspects on addresses.user_id = suspects.user_id
),

mailboxes as (
    select
        campaign_id,
        mailbox,
        count(*) as users_count,
        count(distinct address) as addresses_count,
        min(user_id, 11) as user_ids
    from shared
    group by campaign_id, mailbox
    having count(*) > 1
),

same_addresses as (
    select
        campaign_id,
        address,
        count(*) as users_count,
        min(user_id, 11) as user_ids
    from shared
    group by campaign_id, address
    having count(*) > 1
),

joined as (
    select
        users.referrer_id as user_id,
        users.joined_at,
        count(*) over within_hour as hour_count,
        count(*) over within_day as day_count,
        min(users.joined_at) over within_hour as hour_first_at,
        min(users.joined_at) over within_day as day_first_at
    from users
    inner join referrers on users.referrer_id = referrers.user_id
    where
        users.deleted_at is null
        and users.joined_at is not null
        and users.referrer_id <> users.user_id
        and referrers.referrals_count >= 10
    window
        within_hour as (
            partition by users.referrer_id order by users.joined_at range between interval 1 hour preceding and current row
        ),
        within_day as (
            partition by users.referrer_id order by users.joined_at range between interval 1 day preceding and current row
        )
),

bursts as (
    select
        user_id,
        max(hour_count) as hour_count,
        arg_max((hour_first_at, joined_at), hour_count) as hour_span,
        max(day_count) as day_count,
        arg_max((day_first_at, joined_at), day_count) as day_span
    from joined
    group by user_id
    having max(hour_count) >= 10 or max(day_count) >= 30
),

signals as (
    select
        user_id,
        'self_referral' as rule,
        [referrer_id] as related_user_ids,
        cast(1 as bigint) as related_count
    from people
    where referrer_id = user_id
    union all by name
    select
        user_id,
        'referral_cycle' as rule,
        [parent_id] as related_user_ids,
        cast(1 as bigint) as related_count
    from cycles
    union all by name
    select
        invited.user_id,
        'self_referral_email' as rule,
        [inviting.user_id] as related_user_ids,
        cast(1 as bigint) as related_count
    from shared as invited
    inner join shared as inviting on invited.referrer_id = inviting.user_id and invited.mailbox = inviting.mailbox
    where invited.user_id <> inviting.user_id
    union all by name
    select
        shared.user_id,
        'same_email' as rule,
        list_filter(same_addresses.user_ids, lambda other: other <> shared.user_id)[1:10] as related_user_ids,
        same_addresses.users_count - 1 as related_count
    from shared
    inner join same_addresses on shared.campaign_id = same_addresses.campaign_id and shared.address = same_addresses.address
    union all by name
    select
        shared.user_id,
        'alias_email' as rule,
        list_filter(mailboxes.user_ids, lambda other: other <> shared.user_id)[1:10] as related_user_ids,
        mailboxes.users_count - 1 as related_count
    from shared
    inner join mailboxes on shared.campaign_id = mailboxes.campaign_id and shared.mailbox = mailboxes.mailbox
    where mailboxes.addresses_count > 1
    union all by name
    select
        user_id,
        'burst_hour' as rule,
        hour_count as related_count,
        hour_span[1] as first_at,
        hour_span[2] as last_at
    from bursts
    where hour_count >= 10
    union all by name
    select
        user_id,
        'burst_day' as rule,
        day_count as related_count,
        day_span[1] as first_at,
        day_span[2] as last_at
    from bursts
    where day_count >= 30
    union all by name
    select
        user_id,
        'disposable_domain' as rule,
        disposable_domain as domain
    from marked
    where disposable_domain is not null
),

final as (
    select
        signals.user_id, -- user to review; for bursts the referrer
        coalesce(users.campaign_id, 0) as campaign_id, -- campaign of the user; 0 = no campaign
        signals.rule, -- rule that matched; the table's description explains each
        signals.related_user_ids, -- related users, lowest ids first, at most ten; self_referral: the user; null for bursts, domains
        coalesce(signals.related_count, 0) as related_count, -- number of related users; bursts: users who joined in it; 0 for domains
        signals.first_at, -- bursts: when the first referral joined, UTC; else null
        signals.last_at, -- bursts: when the last referral joined, UTC; else null
        signals.domain -- disposable_domain: the domain of the address; else null
    from signals
    inner join users on signals.user_id = users.user_id
)

select * from final
order by user_id, rule
