-- grain: one row per row of the API's list of rewards due now
-- key: due_id
-- references: recipient_id core.users
-- personal: extra (free text)
-- reads: intermediate.int_reward_versions, staging.stg_run_streams
-- money: due_value and reward_value in the row's unit; never add them across units
-- time: UTC, without a zone
-- compression: rle
-- Rewards owed and not yet in process, from the last complete list. Rewards that were due earlier are in
-- marts.reward_liability_daily.
-- answers: Who is to receive which rewards, how many, and since when?
-- wrong: the API does not date these rows. first_seen_at is the first sync that saw the row: up to one sync late, and the
-- first sync of all for rewards that were due before it. Rewards in process (core.rewards_issued) are owed as well.

with versions as (
    select * from intermediate.int_reward_versions
),

run_streams as (
    select * from staging.stg_run_streams
),

last_list as (
    select max(observed_at) as observed_at
    from run_streams
    where stream = 'rewards_due' and is_complete
),

due as (
    select
        *,
        lag(seen_until_at) over (partition by record_id order by seen_from_at) as previous_until_at
    from versions
    where list_name = 'due'
),

-- first_seen_at: when the row last came into the list. A row that left the list and returned begins anew.
dated as (
    select
        *,
        max(case when previous_until_at is null or previous_until_at < seen_from_at then seen_from_at end) over (
            partition by record_id
            order by seen_from_at rows unbounded preceding
        ) as first_seen_at
    from due
),

final as (
    select
        dated.record_id as due_id, -- the API's id of the row in the list of rewards due
        dated.reward_id, -- reward definition
        dated.recipient_id, -- user who is to receive it
        dated.total_count as due_count, -- number of rewards due; 1 where the API returns none
        dated.total_value as due_value, -- their value; where the API returns none: count times reward_value, or 0 without a reward_value
        dated.status, -- the API's word for the state
        dated.first_seen_at, -- first sync that saw the row since it was last missing from the list, UTC
        greatest(last_list.observed_at, dated.seen_from_at) as last_seen_at, -- last complete list, UTC
        dated.campaign_id, -- campaign of the reward, else of the recipient; 0 = no campaign
        dated.reward_name, -- name of the reward definition, up to 200 characters
        dated.reward_for, -- who receives it, in the API's words
        dated.reward_type, -- kind of reward; 'unknown' where neither list nor definition has it; up to 200 characters
        dated.unit, -- what the values are counted in; values of different units must not be added
        dated.when_referral, -- what the referral must have done: invited or converted
        dated.reward_value, -- value of one reward, as in the list
        dated.extra -- fields of the API that are not among the columns, as JSON
    from dated
    cross join last_list
    where dated.seen_until_at is null
)

select * from final
