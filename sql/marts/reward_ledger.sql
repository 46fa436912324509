-- grain: one row per campaign, reward, recipient, reward type, unit and sync that found a movement (a reward normally has
--   one campaign, one type and one unit)
-- key: campaign_id, reward_id, recipient_id, reward_type, unit, sync_no
-- references: recipient_id core.users
-- metrics: none
-- reads: intermediate.int_reward_ledger
-- money: exact, in the row's unit; never add values across units
-- time: UTC, without a zone; a row covers the interval from previous_sync_at to sync_at
-- compression: rle
-- The movements of each balance between two syncs, computed from the two reward lists. Owed = due + in process. For owed,
-- in counts and values: opening + accrued + reclassified in - issued - reversed - reclassified out = closing. The same
-- holds for due with "- moved to process", and for in process with "+ moved to process". Issued is what the issued list
-- gained, less issues taken back: issued rewards that left the list and are due again. If such a reward returns to the
-- list, it is issued again. Changes seen by a run that read only one of the lists, or that failed, belong to the next
-- sync of both lists. Reclassified is what went to another campaign, reward type or unit because its reward definition
-- did, or because a row that names no reward did and kept its id. Over all rows of a reward, a recipient and a sync, in
-- and out are equal (where a row came to name a reward, together with the recipient's rows that name none). Moved to
-- process is what came into the issued list without a date. Of the remaining changes of a balance, a gain of one state
-- counts as moved from the other state as far as that one has a loss; the rest of a gain is accrued, the rest of a loss
-- reversed. An undated payout that is cancelled or failed is not owed. A balance does not change between two rows of its
-- key, so the balance as of any time is the closing of the row with sync_at <= that time and until_sync_at > that time
-- (or null).
-- answers: What happened to the rewards of one person? Why did the liability change between two syncs? What corrects an
-- earlier statement (restatement is not null)?
-- wrong: accruals and reversals of one balance in one interval are netted. A change of price is in accrued (up) or
-- reversed (down). repriced_value shows it separately where the count did not change, or where each row is worth count
-- times price; accruals are then valued at the new price, reversals at the old one. Rewards that were issued before the
-- first sync are not in the ledger. A row that names no reward is reclassified only where it keeps its id in the same
-- list. If it leaves the list and a row with another type or in the other list takes its place, it is reversed and the
-- other one accrued.

with ledger as (
    select * from intermediate.int_reward_ledger
),

final as (
    select
        campaign_id, -- campaign of the reward, else of the recipient; 0 = no campaign
        reward_id, -- reward definition; 0 = the API names none
        recipient_id, -- user who is owed (core.users.user_id); 0 = the API names none
        reward_type, -- kind of reward
        unit, -- what the values are counted in; values of different units must not be added
        sync_no, -- number of the sync of both reward lists, from 1
        sync_at, -- when that sync ended, by the server's clock, UTC
        previous_sync_at, -- end of the previous sync of both lists, UTC: the interval begins there; null = first sync
        until_sync_at, -- sync of the next row of this key, UTC; the closing holds until then; null = it holds now
        is_opening_balance, -- true: found by the first sync; when and how it became due is unknown
        opening_count, -- rewards owed when the interval began
        accrued_count, -- rewards that became owed
        issued_count, -- rewards issued, less issues taken back
        reversed_count, -- rewards no longer owed and not issued
        reclassified_in_count, -- rewards owed that came from another campaign, reward type or unit
        reclassified_out_count, -- rewards owed that went to another campaign, reward type or unit
        closing_count, -- rewards owed at the sync
        opening_value, -- value owed when the interval began
        accrued_value, -- value that became owed, price rises included
        issued_value, -- value issued, less issues taken back
        reversed_value, -- value no longer owed and not issued, price cuts included
        reclassified_in_value, -- value that came from another campaign, reward type or unit
        reclassified_out_value, -- value that went to another campaign, reward type or unit
        closing_value, -- value owed at the sync
        repriced_value, -- of accrued less reversed: changes of price
        due_opening_count, -- rewards due when the interval began
        due_accrued_count, -- rewards that fell due
        due_issued_count, -- rewards issued straight from due
        due_reversed_count, -- rewards no longer due, neither issued nor in process
        moved_to_process_count, -- rewards that went from due to in process; negative = back to due
        due_reclassified_in_count, -- rewards due that came from another campaign, reward type or unit
        due_reclassified_out_count, -- rewards due that went to another campaign, reward type or unit
        due_closing_count, -- rewards due at the sync
        due_opening_value, -- value due when the interval began
        due_accrued_value, -- value that fell due
        due_issued_value, -- value issued straight from due
        due_reversed_value, -- value no longer due, neither issued nor in process
        moved_to_process_value, -- value that went from due to in process; negative = back to due
        due_reclassified_in_value, -- value due that came from another campaign, reward type or unit
        due_reclassified_out_value, -- value due that went to another campaign, reward type or unit
        due_closing_value, -- value due at the sync
        in_process_opening_count, -- rewards in process when the interval began
        in_process_accrued_count, -- rewards in process that reappeared in the issued list, or were added to a row of it
        in_process_issued_count, -- rewards in process that were issued
        in_process_reversed_count, -- rewards in process that vanished, were cancelled, failed or were removed from a row
        in_process_reclassified_in_count, -- rewards in process that came from another campaign, reward type or unit
        in_process_reclassified_out_count, -- rewards in process that went to another campaign, reward type or unit
        in_process_closing_count, -- rewards in process at the sync
        in_process_opening_value, -- value in process when the interval began
        in_process_accrued_value, -- value of in_process_accrued_count, and price rises while in process
        in_process_issued_value, -- value in process that was issued
        in_process_reversed_value, -- value of in_process_reversed_count, and price cuts while in process
        in_process_reclassified_in_value, -- value in process that came from another campaign, reward type or unit
        in_process_reclassified_out_value, -- value in process that went to another campaign, reward type or unit
        in_process_closing_value, -- value in process at the sync
        restatement, -- what corrects an earlier interval: issued earlier, issue taken back, in process again; null = nothing
        restated_count, -- of issued and accrued: rewards of an earlier interval; an issue taken back counts negative
        restated_value, -- value of restated_count
        restated_from_at -- earliest date of issue among them, UTC; null = none was issued earlier
    from ledger
)

select * from final
