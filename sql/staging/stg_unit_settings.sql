-- grain: one row per version of the setting of reward units
-- reads: raw.unit_settings
-- money: none
-- time: none
-- Which run first had a version of the setting. Empty for load files whose runs are all older than this table.

with source as (
    select * from raw.unit_settings
),

final as (
    select
        settings_no,
        run_id
    from source
)

select * from final
