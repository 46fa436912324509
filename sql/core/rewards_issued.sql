-- grain: one row per row of the API's list of rewards issued
-- reads: intermediate.int_reward_versions, intermediate.int_vanished_rows
-- money: issued_value and reward_value in the row's unit; never add them across units
-- time: UTC, without a zone
-- compression: rle
-- Every reward that is issued or in process of being issued, its last known row. In process (no issued_at yet) is
-- still owed.
-- answers: What was issued to whom and when? What is on its way?
-- wrong: a row the API no longer lists stays here with a deleted_at; an issued one still counts as issued.

with versions as (
    select * from intermediate.int_reward_versions
),

vanished as (
    select * from intermediate.int_vanished_rows
),

ranked as (
    select
        *,
        min(seen_from_at) over (partition by record_id) as first_seen_at,
        row_number() over (
            partition by record_id
            order by seen_until_at desc nulls first, seen_from_at desc
        ) as recency
    from versions
    where list_name = 'issued'
),

final as (
    select
        ranked.record_id as issued_id, -- the API's id of the row in the list of rewards issued
        ranked.reward_id, -- reward definition
        ranked.recipient_id, -- user who received it
        ranked.total_count as issued_count, -- number of rewards; 1 where the API gives none
        ranked.total_value as issued_value, -- their value; count times reward_value where the API gives none, else 0
        ranked.status, -- the API's word for the state
        ranked.issued_at, -- when it was issued, UTC; null = in process
        ranked.first_seen_at, -- first sync that saw the row in this list, UTC
        ranked.reward_state = 'in process' as is_in_process, -- whether it is still on its way, that is still owed
        ranked.campaign_id, -- campaign of the reward, else of the recipient, else 0
        ranked.reward_name, -- name of the reward definition, up to 200 characters
        ranked.reward_for, -- who receives it, in the API's words
        ranked.reward_type, -- kind of reward; 'unknown' where neither list nor definition says; up to 200 characters
        ranked.unit, -- what the values are counted in; values of different units must not be added
        ranked.when_referral, -- what the referral must have done: invited or converted
        ranked.reward_value, -- value of one reward, as the list gives it
        ranked.recipient_first_name, -- first name as the list gives it
        ranked.recipient_email, -- e-mail address as the list gives it
        coalesce(
            case when vanished.deleted_at >= ranked.seen_from_at then vanished.deleted_at end, ranked.seen_until_at
        ) as deleted_at, -- when we found it gone, UTC; null = still there
        ranked.extra -- fields of the API that are not among the columns, as JSON
    from ranked
    left join vanished on ranked.record_id = vanished.record_id and vanished.stream = 'rewards_issued'
    where ranked.recency = 1
)

select * from final
