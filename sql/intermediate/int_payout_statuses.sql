-- grain: one row per known status of undated rows of rewards issued
-- reads: none
-- money: none
-- time: none
-- What the status of an undated row of rewards issued means. The comparison ignores case and surrounding spaces. A
-- status that is not listed here counts as owed, and warn_status_not_understood names it.

with statuses (status, is_owed) as (
    values
    ('invoice due', true),
    ('due', true),
    ('cancelled', false),
    ('canceled', false),
    ('failed', false)
),

final as (
    select
        status, -- in lower case, without surrounding spaces
        is_owed -- whether an undated row with this status is still owed
    from statuses
)

select * from final
