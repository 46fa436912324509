-- rule: the status of an undated row of rewards issued is a known one
-- reads: intermediate.int_issued_latest, intermediate.int_payout_statuses
-- A row without a date counts as owed unless its status says that it is not. A status that is not in the list of known
-- ones may say so in other words: decide what it means before you rely on the rows that bear it. A row without any
-- status is owed.

with issued as (
    select * from intermediate.int_issued_latest
),

statuses as (
    select * from intermediate.int_payout_statuses
),

final as (
    select
        left(lower(trim(issued.status)), 40) as status,
        issued.unit,
        sum(issued.total_count) as rewards_count,
        sum(issued.total_value) as rewards_value
    from issued
    anti join statuses on lower(trim(issued.status)) = statuses.status
    where issued.is_in_process and issued.deleted_at is null and trim(issued.status) <> ''
    group by left(lower(trim(issued.status)), 40), issued.unit
)

select * from final
