-- grain: one row per campaign and unit in which it ever had a reward; campaign_id 0 = no campaign
-- key: campaign_id, unit
-- metrics: cost_value, issued_ever_value, cost_per_qualified_value
-- reads: intermediate.int_campaign_costs
-- money: exact, in the row's unit; never add values across units
-- time: none
-- What a campaign's rewards cost over all time, in each unit in which they are counted. A campaign that rewards both
-- sides often has two units. opening + accrued + reclassified in - issued - reversed - reclassified out = owed; cost =
-- owed + all that was ever issued.
-- answers: What does a campaign cost, in each unit? What does a qualified referral cost, where rewards have several units?
-- wrong: cost is that of rewards alone, without fees, advertising and work, and without rewards that were issued and left
-- the list before the first sync. Movements are in the campaign and unit of their time, issued_ever in those that the
-- reward has now: if a reward moves or its unit changes after an issue, the cost of the issue is in the new place, and
-- issued is in the old one. A campaign with two units has two costs per qualified referral; its full cost is both
-- together. While changes wait for a sync of both reward lists (warn_waiting_changes), owed is newer than the movements,
-- and the first equation does not hold.

with costs as (
    select * from intermediate.int_campaign_costs
    where month_on is null
),

final as (
    select
        campaign_id, -- campaign; 0 = no campaign
        unit, -- what the values are counted in; values of different units must not be added
        qualified_count, -- qualified referrals of the campaign now
        opening_count, -- rewards owed that the first sync found
        accrued_count, -- rewards that became owed since
        issued_count, -- rewards that were issued since, less issues taken back
        reversed_count, -- rewards no longer owed and not issued, since
        reclassified_in_count, -- rewards owed that came from another campaign, reward type or unit, since
        reclassified_out_count, -- rewards owed that went to another campaign, reward type or unit, since
        closing_count as owed_count, -- rewards owed now: due and in process
        issued_ever_count, -- rewards that were ever issued, also before the first sync, less issues taken back
        opening_value, -- value owed that the first sync found
        accrued_value, -- value that became owed since, price rises included
        issued_value, -- value that was issued since, less issues taken back
        reversed_value, -- value no longer owed and not issued, since, price cuts included
        reclassified_in_value, -- value that came from another campaign, reward type or unit, since
        reclassified_out_value, -- value that went to another campaign, reward type or unit, since
        closing_value as owed_value, -- value owed now
        issued_ever_value, -- value of issued_ever_count
        cost_value, -- owed_value + issued_ever_value; null for percent, which is no amount
        cost_per_qualified_value -- cost_value / qualified_count, in the digits of the unit; null without qualified referrals
    from costs
)

select * from final
order by campaign_id, unit
