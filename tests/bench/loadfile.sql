-- The raw tables of an account of $users users, made where they lie. Everything follows from the number alone.
-- 40 campaigns; users join over 900 days; 55 % were invited, most by early joiners, the last hundredth in chains of 500;
-- a fifth qualified. Rewards due, in process and issued are 4, 0.1 and 6 per 100 users, coupons 10, seen by three syncs.
insert into raw.campaigns by name
select
    number as id, 'Campaign ' || number as name, 'https://example.com/c' || number as url, 'camp' || number as code,
    $users * 3 as reach, true as live, 'launched' as status, timestamptz '2025-06-01 06:00:00+00' as _dlt_valid_from
from range(1, 41) as numbers (number);

insert into raw.rewards by name
select
    number as id, (number + 2) // 3 as campaign_id, 'Reward ' || number as name,
    if(number % 3 = 2, 'Person Invited (Referred User)', 'Person Referring (Direct User)') as reward_for,
    ['Amazon Voucher', 'Cash Digital Card', 'Coupon'][1 + number % 3] as type, 5 * number - 0.01 as value,
    'converted' as when_referral, timestamptz '2025-06-01 06:00:00+00' as _dlt_valid_from
from range(1, 121) as numbers (number);

create temp table tree as
with drawn as (
    select
        i, 1 + i % 40 as campaign_id,
        (i * 2654435761 + 12345) % 4294967296 / 4294967296.0 as share,
        timestamp '2023-01-02 08:00:00' + to_seconds(cast(i * 900.0 * 86400 / $users as bigint)) as joined_at
    from range($users) as numbers (i)
)

select
    i + 1 as id, campaign_id, joined_at,
    case
        when i >= $users - $users // 100 and i >= 40 and (i // 40) % 500 > 0 then i - 40 + 1
        when i >= 40 and (i // 40) % 20 >= 9 then cast(floor((i // 40) * share ** 3) as bigint) * 40 + i % 40 + 1
    end as referrer_id,
    (i // 40) % 20 in (9, 11, 13, 15) and i >= 40 as is_qualified,
    i % 33 = 7 as is_unsubscribed
from drawn;

create temp table counted as
select referrer_id as id, count(*) as referrals, count(*) filter (where is_qualified) as converted
from tree where referrer_id is not null and id % 499 <> 3 group by all; -- those who are gone do not count

insert into raw.users by name
select
    id, campaign_id, referrer_id, is_qualified as qualified,
    case when is_qualified then joined_at + to_hours(cast(6 + 24 * (id % 17) as bigint)) end as qualified_at,
    is_unsubscribed as unsubscribed, case when is_unsubscribed then least(joined_at + to_days(cast(id % 200 as int)), timestamp '2025-06-21 05:00:00') end as unsubscribed_at,
    ['Ada', 'Björn', 'Chloé', 'Dmitri', 'Eun-ji', 'Fatima', 'Grace', 'Inés'][1 + id % 8] as first_name,
    case when id % 97 = 50 then 'User' || (id - 40) || '+again@example.com' else 'user' || id || '@example.com' end as email,
    code, reach, coalesce(referrals, 0) as referrals_count, coalesce(converted, 0) as converted_referrals_count,
    case when referrer_id is null then ['Direct', 'Added', 'API'][1 + id % 3] else 'Referred' end as source,
    joined_at as date, 'https://promo.example.com/' || code as url,
    case when id % 3 = 0 then '{}' else '{"company":"Example ' || id % 997 || ' Ltd","phone":"+00 555 ' || id || '"}' end as meta,
    '[{"social":"facebook","url":"https://promo.example.com/' || code || '/socials/facebook"},'
    || '{"social":"whatsapp","url":"https://promo.example.com/' || code || '/socials/whatsapp"}]' as sharing,
    '{"subject":"A present for you","text":"Join through my link: https://promo.example.com/' || code || '"}' as sharing_message,
    timestamp '2025-06-21 06:00:00' as _fetched_at
from (
    select tree.*, counted.referrals, counted.converted, printf('c%08x', id * 48271 % 2147483648) as code, id % 40 as reach
    from tree left join counted using (id)
)
order by id;

insert into raw.coupons by name
select
    id // 10 + 1 as id, 'GIFT ' || id as name, id as referral_id, campaign_id as batch_id, date_trunc('day', joined_at) as issued_at,
    case when is_qualified then date_trunc('day', joined_at) + to_days(cast(id % 17 as int)) end as used_at,
    timestamp '2025-06-21 06:00:00' as _fetched_at
from tree where id % 10 = 4;

insert into raw.coupon_batches by name
select id, 'Batch ' || id as name, id as campaign_id from raw.campaigns;

create temp table earned as
select
    row_number() over (order by id) as number,
    if(id % 4 = 3, referrer_id, id) as recipient_id,
    3 * campaign_id - if(id % 4 = 3, 2, 1) as reward_id, joined_at
from tree where is_qualified;

create temp table owed as
select
    number, 3 * number as price_id, reward_id, recipient_id, joined_at, rewards.type as reward_type, rewards.reward_for,
    'converted' as reward_when_referral, rewards.value as reward_value, 1 as total_due, rewards.value as total_value,
    ['Ada', 'Björn', 'Chloé', 'Dmitri', 'Eun-ji', 'Fatima', 'Grace', 'Inés'][1 + recipient_id % 8] as recipient_first_name,
    'user' || recipient_id || '@example.com' as recipient_email
from earned inner join raw.rewards on earned.reward_id = rewards.id;

-- One of a hundred is still in process; a fifth of what is issued was due at the first sync and issued since.
insert into raw.rewards_issued by name
select
    number as id, * exclude (number, price_id, joined_at), if(number % 60 = 0, 'Invoice Due', 'Issued') as status,
    case when number % 60 > 0 then least(joined_at + interval 30 days, timestamp '2025-06-20 06:00:00') end as issued_at,
    if(number % 5 = 0, timestamptz '2025-06-21 06:00:00+00', timestamptz '2025-06-01 06:00:00+00') as _dlt_valid_from
from owed where number <= $users * 6 // 100;

insert into raw.rewards_due by name
select
    row_number() over (order by is_gone, number) as id, * exclude (number, price_id, joined_at, is_gone), 'Due' as status,
    if(number % 3 = 0 and not is_gone, timestamptz '2025-06-11 06:00:00+00', timestamptz '2025-06-01 06:00:00+00')
        as _dlt_valid_from,
    if(is_gone, timestamptz '2025-06-21 06:00:00+00', null) as _dlt_valid_to
from (
    select *, number <= $users * 6 // 100 as is_gone from owed
    where number <= $users * 10 // 100 and (number > $users * 6 // 100 or number % 5 = 0)
    qualify row_number() over (partition by reward_id, recipient_id, is_gone order by number) = 1
);

insert into raw.observations by name
select 'users' as stream, id, 'vanished' as what, timestamp '2025-06-15 06:00:00' as observed_at
from tree where id % 499 = 3;

insert into raw.runs by name
select
    'run ' || day as run_id, 'sync' as command, 'done' as status, 100 as calls,
    timestamp '2025-06-01 06:00:00' + to_days(cast(day as int)) as observed_at
from (values (0), (10), (20)) as days (day);

insert into raw.run_streams by name
select run_id, unnest(['campaigns', 'users', 'rewards', 'rewards_due', 'rewards_issued', 'coupons']) as stream, observed_at,
    true as is_complete
from raw.runs;
