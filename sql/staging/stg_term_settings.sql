-- grain: one row per version of the settings of settlement and expiry
-- reads: raw.term_settings
-- money: none
-- time: none
-- Which run first had a version of the settings. Empty for load files whose runs are all older than this table.

with source as (
    select * from raw.term_settings
),

final as (
    select
        terms_no,
        run_id
    from source
)

select * from final
