-- rule: the movements of each campaign and unit are those of the ledger, and each month ends as the next one begins
-- reads: marts.campaign_costs, marts.campaign_costs_monthly, marts.reward_ledger, intermediate.int_reward_changes
-- What is owed is compared only while no change waits for a sync of both lists.

with costs as (
    select * from marts.campaign_costs
),

months as (
    select * from marts.campaign_costs_monthly
),

ledger as (
    select * from marts.reward_ledger
),

waiting as (
    select count(*) as changes_count
    from intermediate.int_reward_changes
    where sync_no is null
),

booked as (
    select
        campaign_id,
        unit,
        sum(accrued_value) as accrued_value,
        sum(issued_value) as issued_value,
        sum(reversed_value) as reversed_value,
        sum(reclassified_in_value) as reclassified_in_value,
        sum(reclassified_out_value) as reclassified_out_value
    from ledger
    group by campaign_id, unit
),

by_month as (
    select
        campaign_id,
        unit,
        sum(accrued_value) as accrued_value,
        sum(issued_value) as issued_value,
        sum(reversed_value) as reversed_value,
        sum(reclassified_in_value) as reclassified_in_value,
        sum(reclassified_out_value) as reclassified_out_value,
        max_by(closing_value, month_on) as closing_value
    from months
    group by campaign_id, unit
),

broken as (
    select
        campaign_id,
        unit
    from months
    qualify opening_value <> lag(closing_value) over (partition by campaign_id, unit order by month_on)
),

final as (
    select
        costs.campaign_id,
        costs.unit
    from costs
    cross join waiting
    left join booked on costs.campaign_id = booked.campaign_id and costs.unit = booked.unit
    left join by_month on costs.campaign_id = by_month.campaign_id and costs.unit = by_month.unit
    where
        costs.accrued_value <> coalesce(booked.accrued_value, 0)
        or costs.issued_value <> coalesce(booked.issued_value, 0)
        or costs.reversed_value <> coalesce(booked.reversed_value, 0)
        or costs.reclassified_in_value <> coalesce(booked.reclassified_in_value, 0)
        or costs.reclassified_out_value <> coalesce(booked.reclassified_out_value, 0)
        or costs.accrued_value <> coalesce(by_month.accrued_value, 0)
        or costs.issued_value <> coalesce(by_month.issued_value, 0)
        or costs.reversed_value <> coalesce(by_month.reversed_value, 0)
        or (waiting.changes_count = 0 and costs.owed_value <> coalesce(by_month.closing_value, 0))
        or (
            waiting.changes_count = 0
            and costs.owed_value
            <> costs.opening_value
            + costs.accrued_value
            + costs.reclassified_in_value
            - costs.issued_value
            - costs.reversed_value
            - costs.reclassified_out_value
        )
    union all
    select
        campaign_id,
        unit
    from broken
)

select * from final
