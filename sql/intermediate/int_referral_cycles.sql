-- grain: one row per user who is, by way of at least one other, their own referrer
-- reads: intermediate.int_referrers
-- money: none
-- time: none
-- materialized: table
-- Finds cycles by pointer doubling: every step doubles the distance to the ancestor of each row (1, 2, 4, 8 … referrers),
-- and removes rows without such an ancestor. When a step removes no row, all remaining rows are in a cycle or below one.
-- Once the distance is at least the number of remaining rows, all these ancestors are in cycles, and they are all the
-- members of cycles. Without a cycle no row remains after log2(depth of the deepest tree) steps, rounded up.

with recursive referrers as (
    select * from intermediate.int_referrers
),

ancestors as (
    select
        user_id,
        parent_id as top_id,
        user_id as lowest_id,
        cast(1 as bigint) as steps,
        cast(0 as bigint) as rows_before,
        false as is_complete
    from referrers
    where parent_id is not null
    union all
    (
        with state as (
            select
                count(*) as rows_now,
                count(*) = any_value(rows_before) and any_value(steps) >= count(*) as is_complete
            from ancestors
            where not is_complete
        ),

        doubled as (
            select
                ancestors.user_id,
                upper.top_id,
                least(ancestors.lowest_id, upper.lowest_id) as lowest_id,
                ancestors.steps * 2 as steps,
                state.rows_now as rows_before,
                false as is_complete
            from ancestors
            inner join ancestors as upper on ancestors.top_id = upper.user_id
            cross join state
            where not state.is_complete and not ancestors.is_complete
        ),

        completed as (
            select
                ancestors.* exclude (is_complete),
                true as is_complete
            from ancestors
            cross join state
            where state.is_complete and not ancestors.is_complete
        )

        select * from doubled
        union all
        select * from completed
    )
),

members as (
    select distinct top_id as user_id from ancestors
    where is_complete
),

final as (
    select
        ancestors.user_id,
        ancestors.lowest_id as cycle_id, -- the lowest user_id identifies the cycle
        referrers.parent_id,
        referrers.is_qualified_referral
    from ancestors
    inner join members on ancestors.user_id = members.user_id
    inner join referrers on ancestors.user_id = referrers.user_id
    where ancestors.is_complete
)

select * from final
