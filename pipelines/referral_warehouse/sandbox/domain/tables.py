"""The sandbox's tables; their meaning is in ``resources`` (as documented) and in the modules that change them.

Money is stored in whole thousandths (mills), times as ``YYYY-MM-DD HH:MM:SS`` UTC text, days as ``YYYY-MM-DD``.
"""

DDL = """
create table if not exists state (name text primary key, value text not null) without rowid;
create table if not exists campaigns (
  id integer primary key, name text not null, url text not null, code text not null, reach integer not null,
  live integer not null, status text not null, starts_at text, ends_at text,
  networks text not null, sharing_message text not null);
create table if not exists users (
  id integer primary key autoincrement, campaign_id integer not null, referrer_id integer, first_name text not null,
  email text not null, code text not null unique, url text not null, qualified integer not null default 0,
  qualified_at text, unsubscribed integer not null default 0, unsubscribed_at text, reach integer not null default 0,
  referrals_count integer not null default 0, converted_referrals_count integer not null default 0,
  source text not null, date text not null, meta text not null);
create index if not exists users_by_referrer on users (referrer_id);
create index if not exists users_by_campaign on users (campaign_id);
create table if not exists rewards (
  id integer primary key, campaign_id integer not null, name text not null, reward_for text not null,
  type text not null, value_mills integer not null, when_referral text not null);
create table if not exists dues (
  id integer primary key autoincrement, reward_id integer not null, recipient_id integer not null,
  total_due integer not null, unique (reward_id, recipient_id));
create index if not exists dues_by_recipient on dues (recipient_id);
create table if not exists issued (
  id integer primary key autoincrement, reward_id integer not null, reward_name text not null,
  reward_for text not null, reward_type text not null, reward_when_referral text not null,
  reward_value_mills integer not null, recipient_id integer not null, recipient_first_name text not null,
  recipient_email text not null, total_due integer not null, status text not null, issued_at text);
create index if not exists issued_by_recipient on issued (recipient_id);
create table if not exists units (
  reward_id integer not null, recipient_id integer not null, referral_id integer not null, state text not null,
  primary key (reward_id, recipient_id, referral_id)) without rowid;
create index if not exists units_by_referral on units (referral_id);
create index if not exists units_by_recipient on units (recipient_id);
create table if not exists batches (
  id integer primary key, name text not null, campaign_id integer not null, created_at text not null);
create table if not exists coupons (
  id integer primary key autoincrement, name text not null unique, referral_id integer unique,
  batch_id integer not null, issued_at text, used_at text);
create index if not exists coupons_by_batch on coupons (batch_id, issued_at);
create table if not exists events (
  event_id integer primary key autoincrement, at text not null, kind text not null, user_id integer,
  campaign_id integer, reward_id integer, recipient_id integer, due_id integer, issued_id integer, coupon_id integer,
  count integer, value_mills integer, detail text);
"""
