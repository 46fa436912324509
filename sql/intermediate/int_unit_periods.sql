-- grain: one row per version of the setting of reward units
-- reads: staging.stg_unit_settings, intermediate.int_sync_points
-- money: none
-- time: UTC; valid_from_at is in the period, valid_until_at is not; the first period has no beginning, the last no end
-- materialized: table
-- When a version of the setting held: from the beginning of the run that first had it, so that a changed setting does not
-- rewrite closed days. The first version also holds for all earlier times.

with settings as (
    select * from staging.stg_unit_settings
),

runs as (
    select * from intermediate.int_sync_points
),

dated as (
    select
        settings.settings_no,
        case
            when settings.settings_no = 1 then timestamp '-infinity'
            else max(runs.changes_from_at) over (order by settings.settings_no rows unbounded preceding)
        end as valid_from_at
    from settings
    left join runs on settings.run_id = runs.run_id
    union all
    select
        1 as settings_no,
        timestamp '-infinity' as valid_from_at
    where not exists (select 1 from settings) -- noqa: AM04
),

final as (
    select
        settings_no,
        valid_from_at,
        coalesce(lead(valid_from_at) over (order by settings_no), timestamp 'infinity') as valid_until_at
    from dated
    where valid_from_at is not null
)

select * from final
