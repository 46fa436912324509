-- rule: opening + accrued + reclassified in - issued - reversed - reclassified out = closing, for counts and values, on each day
-- reads: marts.reward_liability_daily
-- Exactly; there is no tolerance. Estimated days add up as well. For the ledger see fail_ledger_identity.

with daily as (
    select * from marts.reward_liability_daily
),

rolled as (
    select
        campaign_id,
        reward_type,
        unit,
        day_on,
        opening_count + accrued_count + reclassified_in_count
        - issued_count - reversed_count - reclassified_out_count - closing_count as difference_count,
        opening_value + accrued_value + reclassified_in_value
        - issued_value - reversed_value - reclassified_out_value - closing_value as difference_value
    from daily
),

final as (
    select * from rolled
    where difference_count <> 0 or difference_value <> 0 or difference_count is null or difference_value is null
)

select * from final
