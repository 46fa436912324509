-- grain: one row per list (due, issued), record, version and period of the reward definition
-- reads: staging.stg_rewards_due, staging.stg_rewards_issued, intermediate.int_recipient_campaigns,
--   intermediate.int_rewards_latest, intermediate.int_reward_periods, intermediate.int_reward_types,
--   intermediate.int_unit_rules, intermediate.int_payout_statuses
-- money: total_value, exact; null totals are count times price, 0 where there is no price (warn_price_unknown lists them)
--   or the price is a percentage; null where count times price reaches 10^24, which sums could not hold
-- time: UTC; seen_from_at is in the interval, seen_until_at is not; row_seen_* is the same for the version of the row,
--   which may span several periods of its reward definition
-- materialized: table
-- compression: rle
-- Both reward lists with the same columns. Only this model decides which state a row is in, what a missing count or total
-- means, and which campaign, type and unit a reward had at a time. price: null where the value is not count times price.
-- State: due; in process (in the issued list without a date: still owed); cancelled (without a date, and its status says
-- that it is not owed); issued (dated). Campaign: the reward's at that time, else the recipient's at that time, else 0.
-- issued_from: in process where the row was in process when it was last seen without a date, else due. is_entry: the
-- first version of a row of the issued list. corrected_*: what an issued version has more than the issued version before
-- it. latest_issue_at: issued_at; where that is on a full quarter of an hour, it may be a date without a time (midnight
-- in some time zone), and one day is added.

with due as (
    select * from staging.stg_rewards_due
),

issued as (
    select * from staging.stg_rewards_issued
),

types as (
    select * from intermediate.int_reward_types
),

statuses as (
    select * from intermediate.int_payout_statuses
),

rules as (
    select * from intermediate.int_unit_rules
),

type_names as (
    select
        name_no,
        reward_type
    from types
    where unit_no = 0
),

unknown_type as (
    select name_no from type_names
    where reward_type = 'unknown'
),

-- The texts of definitions are shortened and numbered before they are joined to the many rows that name them.
names as (
    select
        reward_id,
        left(name, 200) as name
    from intermediate.int_rewards_latest
),

periods as (
    select
        periods.reward_id,
        periods.campaign_id,
        periods.settings_no,
        periods.valid_from_at,
        periods.valid_until_at,
        type_names.name_no
    from intermediate.int_reward_periods as periods
    left join type_names on periods.reward_type = type_names.reward_type
),

recipient_campaigns as (
    select * from intermediate.int_recipient_campaigns
),

both_lists as (
    select
        'due' as list_name,
        'due' as undated_state,
        due_id as record_id,
        * exclude (due_id, due_count, due_value),
        due_count as given_count,
        due_value as given_value
    from due
    union all by name
    select
        'issued' as list_name,
        case when statuses.is_owed or statuses.is_owed is null then 'in process' else 'cancelled' end as undated_state,
        issued.issued_id as record_id,
        issued.* exclude (issued_id, issued_count, issued_value),
        issued.issued_count as given_count,
        issued.issued_value as given_value
    from issued
    left join statuses on lower(trim(issued.status)) = statuses.status
),

-- A version ends with the period of its reward definition: a reward that moves begins a new version.
defined as (
    select
        both_lists.* exclude (seen_from_at, seen_until_at),
        both_lists.seen_from_at as row_seen_from_at,
        both_lists.seen_until_at as row_seen_until_at,
        greatest(both_lists.seen_from_at, coalesce(periods.valid_from_at, both_lists.seen_from_at)) as defined_from_at,
        least(
            coalesce(both_lists.seen_until_at, timestamp 'infinity'), coalesce(periods.valid_until_at, timestamp 'infinity')
        ) as defined_until_at,
        periods.campaign_id,
        periods.name_no as defined_name_no,
        periods.settings_no,
        case when periods.campaign_id is null then both_lists.recipient_id end as campaign_recipient_id
    from both_lists
    left join periods
        on
            coalesce(both_lists.reward_id, 0) = periods.reward_id
            and both_lists.seen_from_at < periods.valid_until_at
            and coalesce(both_lists.seen_until_at, timestamp 'infinity') > periods.valid_from_at
),

-- Where the campaign is that of the recipient (campaign_recipient_id), a version also ends when the recipient moves to
-- another campaign.
placed as (
    select
        defined.* exclude (
            reward_type, defined_from_at, defined_until_at, campaign_id, defined_name_no, settings_no, campaign_recipient_id
        ),
        greatest(defined.defined_from_at, coalesce(recipient_campaigns.valid_from_at, defined.defined_from_at)) as seen_from_at,
        nullif(
            least(defined.defined_until_at, coalesce(recipient_campaigns.valid_until_at, timestamp 'infinity')), timestamp 'infinity'
        ) as seen_until_at,
        coalesce(defined.campaign_id, recipient_campaigns.campaign_id, 0) as campaign_id,
        coalesce(own_types.name_no, defined.defined_name_no, unknown_type.name_no) as name_no,
        defined.settings_no,
        coalesce(defined.given_count, 1) as total_count
    from defined
    cross join unknown_type
    left join type_names as own_types on trim(defined.reward_type) = own_types.reward_type
    left join recipient_campaigns
        on
            defined.campaign_recipient_id = recipient_campaigns.user_id
            and defined.defined_from_at < recipient_campaigns.valid_until_at
            and defined.defined_until_at > recipient_campaigns.valid_from_at
),

-- The most specific rule that applies to a reward decides its unit.
counted_in as (
    select
        placed.* exclude (name_no, settings_no),
        types.type_no,
        types.is_percent,
        -- null beyond 38 digits
        case when not types.is_percent then try(placed.total_count * placed.reward_value) end as full_price
    from placed
    left join rules as reward_rules
        on placed.settings_no = reward_rules.settings_no and placed.reward_id = reward_rules.reward_id
    left join rules as campaign_type_rules
        on
            placed.settings_no = campaign_type_rules.settings_no
            and placed.campaign_id = campaign_type_rules.campaign_id
            and placed.name_no = campaign_type_rules.name_no
    left join rules as campaign_rules
        on
            placed.settings_no = campaign_rules.settings_no
            and placed.campaign_id = campaign_rules.campaign_id
            and campaign_rules.scope = 'campaign'
    left join rules as type_rules
        on
            placed.settings_no = type_rules.settings_no
            and placed.name_no = type_rules.name_no
            and type_rules.scope = 'type'
    inner join types
        on
            placed.name_no = types.name_no
            and coalesce(reward_rules.unit_no, campaign_type_rules.unit_no, campaign_rules.unit_no, type_rules.unit_no, 0)
            = types.unit_no
),

valued as (
    select
        * exclude (full_price),
        cast(
            case
                when given_value is not null then given_value
                when reward_value is null or is_percent then 0
                when abs(full_price) < 1000000000000000000000000 then full_price
            end as decimal(38, 6)
        ) as total_value,
        case when total_value = full_price then reward_value end as price
    from counted_in
),

with_neighbours as (
    select
        *,
        false as has_successor,
        false as is_entry,
        'due' as issued_from,
        'due' as reward_state,
        0 as previous_count,
        0 as previous_value,
        false as continues_issue,
        false as is_continued
    from valued
    where list_name = 'due'
    union all by name
    select
        *,
        lead(seen_from_at) over versions is not null as has_successor,
        lag(seen_from_at) over versions is null as is_entry,
        case
            when
                last_value(case when issued_at is null then undated_state end ignore nulls)
                    over (versions rows unbounded preceding)
                = 'in process'
                then 'in process'
            else 'due'
        end as issued_from,
        case when issued_at is null then undated_state else 'issued' end as reward_state,
        lag(total_count) over versions as previous_count,
        lag(total_value) over versions as previous_value,
        issued_at is not null and lag(issued_at) over versions is not null as continues_issue,
        issued_at is not null and lead(issued_at) over versions is not null as is_continued
    from valued
    where list_name = 'issued'
    window versions as (partition by record_id order by seen_from_at)
),

final as (
    select
        with_neighbours.* exclude (undated_state, previous_count, previous_value),
        case when with_neighbours.continues_issue then cast(with_neighbours.total_count as hugeint) - with_neighbours.previous_count end
            as corrected_count,
        case
            when with_neighbours.continues_issue
                then coalesce(with_neighbours.total_value, 0) - coalesce(with_neighbours.previous_value, 0)
        end as corrected_value,
        with_neighbours.issued_at
        + case when epoch(with_neighbours.issued_at) % 900 = 0 then interval 1 day else interval 0 days end as latest_issue_at,
        names.name as reward_name,
        types.label as reward_type,
        types.unit
    from with_neighbours
    left join names on with_neighbours.reward_id = names.reward_id
    left join types on with_neighbours.type_no = types.type_no
)

select * from final
