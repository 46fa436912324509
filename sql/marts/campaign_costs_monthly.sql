-- grain: one row per campaign, unit and month from the first sync to now; campaign_id 0 = no campaign
-- key: campaign_id, unit, month_on
-- metrics: cost_value as monthly_cost_value, cost_per_qualified_value as monthly_cost_per_qualified_value
-- reads: intermediate.int_campaign_costs
-- money: exact, in the row's unit; never add values across units
-- time: months in UTC; a movement is in the month of the sync that saw it
-- What a campaign's rewards cost month by month, in each unit. opening + accrued + reclassified in - issued - reversed -
-- reclassified out = closing. The cost of a month is what became owed in it (accrued and reclassified in), less what was
-- reversed or reclassified out.
-- answers: What did a campaign cost last month? Is a qualified referral getting more expensive?
-- wrong: a reward often falls due in a later month than the one in which its referral qualified, so the cost per
-- qualified referral of a single month varies widely where few referrals qualify. The first month begins with the first
-- sync. A referral whose qualification was revoked is no longer counted in the month in which it had qualified.

with costs as (
    select * from intermediate.int_campaign_costs
    where month_on is not null
),

final as (
    select
        campaign_id, -- campaign; 0 = no campaign
        unit, -- what the values are counted in; values of different units must not be added
        month_on, -- first day of the month, UTC
        qualified_count, -- referrals of the campaign whose present qualification is in the month
        opening_count, -- rewards owed when the month began; in the first month: what the first sync found
        accrued_count, -- rewards that became owed
        issued_count, -- rewards that were issued, less issues taken back
        reversed_count, -- rewards no longer owed and not issued
        reclassified_in_count, -- rewards owed that came from another campaign, reward type or unit
        reclassified_out_count, -- rewards owed that went to another campaign, reward type or unit
        closing_count, -- rewards owed at the last sync of the month
        opening_value, -- value owed when the month began
        accrued_value, -- value that became owed, price rises included
        issued_value, -- value that was issued, less issues taken back
        reversed_value, -- value no longer owed and not issued, price cuts included
        reclassified_in_value, -- value that came from another campaign, reward type or unit
        reclassified_out_value, -- value that went to another campaign, reward type or unit
        closing_value, -- value owed at the last sync of the month
        cost_value, -- accrued + reclassified in - reversed - reclassified out; null for percent, which is no amount
        cost_per_qualified_value -- cost_value / qualified_count, in the digits of the unit; null without qualified referrals
    from costs
)

select * from final
order by campaign_id, unit, month_on
