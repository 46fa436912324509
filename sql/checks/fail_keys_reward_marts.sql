-- rule: each row of the ledger, of the costs and of the contingent marts has every part of its key, and no key is repeated
-- reads: marts.reward_ledger, marts.campaign_costs, marts.campaign_costs_monthly, marts.contingent_liability,
--   marts.contingent_backtest
-- Compares the rows with the grain in the header of each file. The ledger is large, so its keys are compared directly.

with ledger as (
    select * from marts.reward_ledger
),

costs as (
    select * from marts.campaign_costs
),

monthly_costs as (
    select * from marts.campaign_costs_monthly
),

liability as (
    select * from marts.contingent_liability
),

backtest as (
    select * from marts.contingent_backtest
),

doubled as (
    select
        'marts.reward_ledger' as table_name,
        concat_ws(' / ', campaign_id, reward_id, recipient_id, reward_type, unit, sync_no) as key_values,
        count(*) as rows_count
    from ledger
    group by campaign_id, reward_id, recipient_id, reward_type, unit, sync_no
    having
        count(*) > 1
        or campaign_id is null
        or reward_id is null
        or recipient_id is null
        or reward_type is null
        or unit is null
        or sync_no is null
    union all
    select
        'marts.campaign_costs' as table_name,
        concat_ws(' / ', campaign_id, unit) as key_values,
        count(*) as rows_count
    from costs
    group by campaign_id, unit
    having count(*) > 1 or campaign_id is null or unit is null
    union all
    select
        'marts.campaign_costs_monthly' as table_name,
        concat_ws(' / ', campaign_id, unit, month_on) as key_values,
        count(*) as rows_count
    from monthly_costs
    group by campaign_id, unit, month_on
    having count(*) > 1 or campaign_id is null or unit is null or month_on is null
    union all
    select
        'marts.contingent_liability' as table_name,
        concat_ws(' / ', campaign_id, unit) as key_values,
        count(*) as rows_count
    from liability
    group by campaign_id, unit
    having count(*) > 1 or campaign_id is null or unit is null
    union all
    select
        'marts.contingent_backtest' as table_name,
        concat_ws(' / ', campaign_id, unit) as key_values,
        count(*) as rows_count
    from backtest
    group by campaign_id, unit
    having count(*) > 1 or campaign_id is null or unit is null
),

final as (
    select * from doubled
)

select * from final
