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

climb as (
    select
        user_id,
        parent_id as top_id,
        user_id as lowest_id,
        cast(1 as bigint) as steps,
        cast(0 as bigint) as rows_before,
        false as is_settled
    from referrers
    where parent_id is not null
    union all
    (
        with state as (
            select
                count(*) as rows_now,
                count(*) = any_value(rows_before) and any_value(steps) >= count(*) as is_settled
            from climb
            where not is_settled
        ),

        higher as (
            select
                climb.user_id,
                upper.top_id,
                least(climb.lowest_id, upper.lowest_id) as lowest_id,
                climb.steps * 2 as steps,
                state.rows_now as rows_before,
                false as is_settled
            from climb
            inner join climb as upper on climb.top_id = upper.user_id
            cross join state
            where not state.is_settled and not climb.is_settled
        ),

        settled as (
            select
                climb.* exclude (is_settled),
                true as is_settled
            from climb
            cross join state
            where state.is_settled and not climb.is_settled
        )

        select * from higher
        union all
        select * from settled
    )
),

members as (
    select distinct top_id as user_id from climb
    where is_settled
),

final as (
    select
        climb.user_id,
        climb.lowest_id as cycle_id, -- the lowest user_id identifies the cycle
        referrers.parent_id,
        referrers.is_qualified_referral
    from climb
    inner join members on climb.user_id = members.user_id
    inner join referrers on climb.user_id = referrers.user_id
    where climb.is_settled
)

select * from final
