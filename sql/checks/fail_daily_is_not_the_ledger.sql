-- rule: the exact days add up to the ledger: each movement of each day, and the opening balance of the first sync
-- reads: marts.reward_liability_daily, marts.reward_ledger
-- The same numbers computed in two ways; estimated days are left out.

with daily as (
    select * from marts.reward_liability_daily
),

ledger as (
    select * from marts.reward_ledger
),

first_days as (
    select min(day_on) as first_on from daily
    where not is_estimated
),

sides as (
    select
        daily.campaign_id,
        daily.reward_type,
        daily.unit,
        daily.day_on,
        case when daily.day_on = first_days.first_on then daily.opening_value else 0 end as found_value,
        daily.accrued_count,
        daily.accrued_value,
        daily.issued_count,
        daily.issued_value,
        daily.reversed_count,
        daily.reversed_value,
        daily.reclassified_in_count,
        daily.reclassified_in_value,
        daily.reclassified_out_count,
        daily.reclassified_out_value,
        daily.restated_count,
        daily.restated_value
    from daily
    cross join first_days
    where not daily.is_estimated
    union all
    select
        campaign_id,
        reward_type,
        unit,
        cast(sync_at as date) as day_on,
        case when is_opening_balance then -opening_value else 0 end as found_value,
        -accrued_count as accrued_count,
        -accrued_value as accrued_value,
        -issued_count as issued_count,
        -issued_value as issued_value,
        -reversed_count as reversed_count,
        -reversed_value as reversed_value,
        -reclassified_in_count as reclassified_in_count,
        -reclassified_in_value as reclassified_in_value,
        -reclassified_out_count as reclassified_out_count,
        -reclassified_out_value as reclassified_out_value,
        -restated_count as restated_count,
        -restated_value as restated_value
    from ledger
),

final as (
    select
        campaign_id,
        reward_type,
        unit,
        day_on
    from sides
    group by campaign_id, reward_type, unit, day_on
    having
        sum(found_value) <> 0
        or sum(accrued_count) <> 0
        or sum(accrued_value) <> 0
        or sum(issued_count) <> 0
        or sum(issued_value) <> 0
        or sum(reversed_count) <> 0
        or sum(reversed_value) <> 0
        or sum(reclassified_in_count) <> 0
        or sum(reclassified_in_value) <> 0
        or sum(reclassified_out_count) <> 0
        or sum(reclassified_out_value) <> 0
        or sum(restated_count) <> 0
        or sum(restated_value) <> 0
)

select * from final
