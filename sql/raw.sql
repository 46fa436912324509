-- The raw tables that models may read, as the loader writes them. Made from the schemas of the streams by
-- `python -m tests.schema_files`: change the schemas, not this file.
-- The build creates these tables empty and lets the load file's own tables take their place, so that a model
-- finds its input also where a stream was never loaded or an older load file lacks a column.
-- Times are UTC without a zone; dlt's two validity columns carry one. Money is decimal(38, 6).

create table raw.campaigns (
    id bigint, name varchar, url varchar, code varchar, reach bigint, live boolean, status varchar, starts_at timestamp,
    ends_at timestamp, _extra json, _fetched_at timestamp, _row_version varchar, _dlt_valid_from timestamptz,
    _dlt_valid_to timestamptz
);

create table raw.users (
    id bigint, campaign_id bigint, referrer_id bigint, qualified boolean, qualified_at timestamp, unsubscribed boolean,
    unsubscribed_at timestamp, first_name varchar, email varchar, code varchar, reach bigint, referrals_count bigint,
    converted_referrals_count bigint, source varchar, date timestamp, url varchar, meta json, sharing json,
    sharing_message json, _extra json, _fetched_at timestamp
);

create table raw.coupons (
    id bigint, name varchar, referral_id bigint, batch_id bigint, issued_at timestamp, used_at timestamp, _extra json,
    _fetched_at timestamp
);

create table raw.rewards_issued (
    id bigint, reward_id bigint, reward_for varchar, reward_type varchar, reward_when_referral varchar,
    reward_value decimal(38, 6), recipient_id bigint, recipient_first_name varchar, recipient_email varchar,
    total_due bigint, total_value decimal(38, 6), status varchar, issued_at timestamp, _extra json,
    _fetched_at timestamp, _row_version varchar, _dlt_valid_from timestamptz, _dlt_valid_to timestamptz
);

create table raw.rewards_due (
    id bigint, reward_id bigint, reward_for varchar, reward_type varchar, reward_when_referral varchar,
    reward_value decimal(38, 6), recipient_id bigint, recipient_first_name varchar, recipient_email varchar,
    total_due bigint, total_value decimal(38, 6), status varchar, issued_at timestamp, _extra json,
    _fetched_at timestamp, _row_version varchar, _dlt_valid_from timestamptz, _dlt_valid_to timestamptz
);

create table raw.rewards (
    id bigint, campaign_id bigint, name varchar, reward_for varchar, type varchar, value decimal(38, 6),
    when_referral varchar, _extra json, _fetched_at timestamp, _row_version varchar, _dlt_valid_from timestamptz,
    _dlt_valid_to timestamptz
);

create table raw.campaign_reach (
    id bigint, reach bigint, _fetched_at timestamp
);

create table raw.coupon_batches (
    id bigint, name varchar, campaign_id bigint, created_at timestamp, _extra json, _fetched_at timestamp
);

create table raw.observations (
    stream varchar, id bigint, what varchar, observed_at timestamp, before json, after json
);

create table raw.quarantine (
    key varchar, stream varchar, record_id varchar, reason varchar, raw json, run_id varchar, quarantined_at timestamp,
    resolved_at timestamp
);

create table raw.runs (
    run_id varchar, command varchar, started_at timestamp, finished_at timestamp, observed_at timestamp, status varchar,
    calls bigint, error varchar
);

create table raw.run_streams (
    run_id varchar, stream varchar, observed_at timestamp, is_complete boolean, api_count bigint, our_count bigint,
    rows_seen bigint, rows_written bigint, rows_quarantined bigint, calls bigint
);

create table raw.run_calls (
    run_id varchar, stream varchar, purpose varchar, calls bigint
);

create table raw.reconciliation (
    run_id varchar, stream varchar, observed_at timestamp, compared_by varchar, upto_id bigint, api_count bigint,
    our_count bigint, found varchar, repaired_by varchar, rows_missing bigint, rows_changed bigint,
    rows_vanished bigint, rows_reappeared bigint, in_flight varchar, calls bigint
);

create table raw.list_totals (
    run_id varchar, stream varchar, rows bigint, rewards varchar, value varchar
);

create table raw.unit_settings (
    settings_no bigint, run_id varchar, units json
);

create table raw.term_settings (
    terms_no bigint, run_id varchar, terms json
);

create table raw.refresh_rounds (
    stream varchar, complete_at timestamp, sweep_every_days bigint, lookback_days bigint, syncs_per_round bigint,
    page_rows bigint
);

create table raw.refresh_ranges (
    stream varchar, above_id bigint, upto_id bigint, seen_at timestamp
);

-- Not the loader's: the build fills them from the settings (warehouse.reward_units, settles_on, expires_after_days)
-- and the list of currencies.
create table raw.reward_units (
    settings_no bigint, setting varchar, reward_id bigint, campaign_id bigint, reward_type varchar, unit varchar
);
create table raw.units (
    unit varchar, kind varchar, name varchar, is_money boolean, digits bigint
);
create table raw.unit_terms (
    terms_no bigint, unit varchar, settles_on varchar, expires_after_days bigint
);
