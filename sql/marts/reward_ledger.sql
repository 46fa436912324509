-- grain: one row per campaign, reward, recipient, reward type, unit and sync in which something moved (a reward normally
--   has one campaign, one type and one unit)
-- key: campaign_id, reward_id, recipient_id, reward_type, unit, sync_no
-- references: recipient_id core.users
-- metrics: none
-- reads: intermediate.int_reward_ledger
-- money: exact, in the row's unit; never add values across units
-- time: UTC, without a zone; a row tells of the interval from previous_sync_at to sync_at
-- compression: rle
-- What happened to each balance between two syncs, told from complete lists. Owed = due + in process, and each adds up,
-- for counts and values: opening + accrued + reclassified in - issued - reversed - reclassified out = closing; the same
-- for due with "- moved to process", and for in process with "+ moved to process". Issued is what the issued list
-- gained, less what was taken back: an issued reward that left the list and is due again; back in the list, it is issued
-- again. What a run saw of one list alone, or before it failed, belongs to the next sync. Reclassified is what went to
-- another campaign, another reward type or another unit with its reward definition, or with a row that names no reward
-- and kept its id; over all rows of a reward, a recipient and a sync, in and out are equal (together with those that
-- name no reward, where such a row came to name one). Moved to process is what came into the issued list without a
-- date; of what is left, a gain of one state that meets a loss of the other was moved as well, the rest of a gain is
-- accrued, of a loss reversed. An undated payout that is cancelled or failed is not owed. Between two rows of a key
-- nothing moved, so a balance as of any time is the closing of the row with sync_at <= that time and until_sync_at >
-- that time (or null).
-- answers: What happened to the rewards of one person? Why did the liability change between two syncs? What do we know
-- today that an earlier statement did not (where restatement is not null)?
-- wrong: within one interval, accruals and reversals of one balance are seen net. A change of price is in accrued (up)
-- or reversed (down). It is told apart (repriced_value) where the count stood still, or where each row is worth count
-- times price: what accrued is taken to have accrued at the new price, what was reversed at the old one. What was issued
-- before the first sync is not in it. Rows that name no reward are reclassified only where one row of a list shows it: a row
-- that leaves the list, whose successor is of another type or in the other list, is reversed and accrued.

with ledger as (
    select * from intermediate.int_reward_ledger
),

final as (
    select
        campaign_id, -- campaign of the reward, else of the recipient; 0 = unknown
        reward_id, -- reward definition; 0 = the API names none
        recipient_id, -- user who is owed (core.users.user_id); 0 = the API names none
        reward_type, -- kind of reward
        unit, -- what the values are counted in; values of different units must not be added
        sync_no, -- number of the sync that saw both reward lists, from 1
        sync_at, -- when that sync had seen them, UTC
        previous_sync_at, -- the sync before it, UTC: where the interval begins; null = this was the first
        until_sync_at, -- sync of this key's next row, UTC: until then the closing holds; null = it holds now
        is_opening_balance, -- true: found by the first sync; nothing is known about how it came to be
        opening_count, -- rewards owed when the interval began
        accrued_count, -- rewards that became owed
        issued_count, -- rewards issued; negative = an issue was taken back
        reversed_count, -- rewards no longer owed and not issued
        reclassified_in_count, -- rewards owed that came from another campaign or reward type
        reclassified_out_count, -- rewards owed that went to another campaign or reward type
        closing_count, -- rewards owed at the sync
        opening_value, -- value owed when the interval began
        accrued_value, -- value that became owed, price rises included
        issued_value, -- value issued
        reversed_value, -- value no longer owed and not issued, price cuts included
        reclassified_in_value, -- value that came from another campaign or reward type
        reclassified_out_value, -- value that went to another campaign or reward type
        closing_value, -- value owed at the sync
        repriced_value, -- of accrued less reversed: changes of price
        due_opening_count, -- rewards due when the interval began
        due_accrued_count, -- rewards that fell due
        due_issued_count, -- rewards issued straight from due
        due_reversed_count, -- rewards no longer due, neither issued nor in process
        moved_to_process_count, -- rewards that went from due to in process; negative = back to due
        due_reclassified_in_count, -- rewards due that came from another campaign or reward type
        due_reclassified_out_count, -- rewards due that went to another campaign or reward type
        due_closing_count, -- rewards due at the sync
        due_opening_value, -- value due when the interval began
        due_accrued_value, -- value that fell due
        due_issued_value, -- value issued straight from due
        due_reversed_value, -- value no longer due, neither issued nor in process
        moved_to_process_value, -- value that went from due to in process; negative = back to due
        due_reclassified_in_value, -- value due that came from another campaign or reward type
        due_reclassified_out_value, -- value due that went to another campaign or reward type
        due_closing_value, -- value due at the sync
        in_process_opening_count, -- rewards in process when the interval began
        in_process_accrued_count, -- rewards in process again that had vanished from the issued list
        in_process_issued_count, -- rewards in process that were issued
        in_process_reversed_count, -- rewards in process that vanished, were cancelled or failed
        in_process_reclassified_in_count, -- rewards in process that came from another campaign or reward type
        in_process_reclassified_out_count, -- rewards in process that went to another campaign or reward type
        in_process_closing_count, -- rewards in process at the sync
        in_process_opening_value, -- value in process when the interval began
        in_process_accrued_value, -- their value, and price rises while in process
        in_process_issued_value, -- value in process that was issued
        in_process_reversed_value, -- value in process that vanished, was cancelled, failed or lost price
        in_process_reclassified_in_value, -- value in process that came from another campaign or reward type
        in_process_reclassified_out_value, -- value in process that went to another campaign or reward type
        in_process_closing_value, -- value in process at the sync
        restatement, -- why an earlier row would read differently today; null = it would not
        restated_count, -- of issued and accrued: rewards that belong to an earlier interval
        restated_value, -- their value
        restated_from_at -- earliest date of issue among them, UTC; null = none was issued earlier
    from ledger
)

select * from final
