-- rule: the status of an undated row of rewards issued is a known one
-- reads: intermediate.int_issued_latest, intermediate.int_payout_statuses
-- A row without a date counts as owed unless its status says that it is not. A status that is not listed in
-- int_payout_statuses may mean the same in other words: find out before you rely on the rows that have it. A row without
-- a status is owed.

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
