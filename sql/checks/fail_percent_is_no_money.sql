-- rule: rewards counted in percent have the total that the API returns, else 0, and are in no contingent liability;
--   percent is not money
-- reads: intermediate.int_reward_versions, marts.contingent_liability, core.units
-- A percentage is a rate of somebody's spend: count times percentage is not an amount.

with versions as (
    select * from intermediate.int_reward_versions
    where unit = 'percent' and seen_until_at is null
),

promised as (
    select * from marts.contingent_liability
    where unit = 'percent'
),

units as (
    select * from core.units
    where unit = 'percent'
),

final as (
    select
        'rewards_' || list_name as found_in,
        record_id,
        total_value
    from versions
    where total_value is distinct from coalesce(given_value, 0)
    union all
    select
        'contingent_liability' as found_in,
        campaign_id as record_id,
        null as total_value
    from promised
    union all
    select
        'units' as found_in,
        null as record_id,
        null as total_value
    from units
    where is_money
)

select * from final
