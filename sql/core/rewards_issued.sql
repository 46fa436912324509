-- grain: one row per row of the API's list of rewards issued
-- key: issued_id
-- references: recipient_id core.users
-- personal: extra (free text)
-- reads: intermediate.int_issued_latest
-- money: issued_value and reward_value in the row's unit; never add them across units
-- time: UTC, without a zone
-- compression: rle
-- Every row that the list of rewards issued ever had, as last seen: rewards that are issued, in process (undated and still
-- owed), or cancelled (undated and not owed).
-- answers: What was issued to whom and when? What is in process?
-- wrong: a row that the API no longer lists stays here with a deleted_at. If it was issued, it still counts as issued,
-- unless the same reward is due again: then the payout failed, and the marts no longer count it as issued.

with latest as (
    select * from intermediate.int_issued_latest
),

final as (
    select
        record_id as issued_id, -- the API's id of the row in the list of rewards issued
        reward_id, -- reward definition
        recipient_id, -- user who receives it
        total_count as issued_count, -- number of rewards; 1 where the API returns none
        total_value as issued_value, -- their value; where the API returns none: count times reward_value, or 0 without a reward_value
        status, -- the API's word for the state
        issued_at, -- when it was issued, UTC; null = in process or cancelled
        first_seen_at, -- first sync that saw the row in this list, UTC
        is_in_process, -- whether it was in process when last seen; still owed if deleted_at is null
        campaign_id, -- campaign of the reward, else of the recipient; 0 = no campaign
        reward_name, -- name of the reward definition, up to 200 characters
        reward_for, -- who receives it, in the API's words
        reward_type, -- kind of reward; 'unknown' where neither list nor definition has it; up to 200 characters
        unit, -- what the values are counted in; values of different units must not be added
        when_referral, -- what the referral must have done: invited or converted
        reward_value, -- value of one reward, as in the list
        deleted_at, -- when a sync found that the list no longer has it, UTC; null = still there
        extra -- fields of the API that are not among the columns, as JSON
    from latest
)

select * from final
