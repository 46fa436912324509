-- grain: one row per referrer (as in int_referrers)
-- reads: intermediate.int_referrers, intermediate.int_referral_cycles
-- money: none
-- time: none
-- materialized: table
-- Root, depth and downstream counts of the whole forest, by pointer doubling: log2 of the greatest depth steps, rounded
-- up (depth 500: 9). After the step for distance n, top_id is the n-th referrer above (or the root, if it is nearer),
-- depth the distance to it, and downstream the people within n steps below. The next step adds the path above top_id (2n
-- up), and the downstream counts of the rows whose top_id is this row (2n down). Rows with a known root and complete
-- counts are left out of further steps; since most trees are flat, the steps become small quickly. Cycles are cut first,
-- at every member: each member is the root of the tree below it outside the cycle. At the end each member gets all
-- other members and everyone below the cycle as downstream, and the lowest id as root.

with recursive referrers as (
    select * from intermediate.int_referrers
),

cycles as (
    select * from intermediate.int_referral_cycles
),

without_cycles as (
    select
        referrers.user_id,
        case when members.user_id is null then referrers.parent_id end as parent_id,
        referrers.referrals_count - cast(invited.user_id is not null as bigint) as downstream_count,
        referrers.qualified_count - cast(coalesce(invited.is_qualified_referral, false) as bigint) as qualified_count
    from referrers
    left join cycles as members on referrers.user_id = members.user_id
    left join cycles as invited on referrers.user_id = invited.parent_id
),

paths as (
    select
        user_id,
        coalesce(parent_id, user_id) as top_id,
        cast(parent_id is not null as bigint) as depth,
        downstream_count,
        qualified_count,
        cast(1 as bigint) as steps,
        true as is_moving
    from without_cycles
    union all
    (
        with moving as (
            select
                *,
                case when depth = steps then top_id end as pointer_id
            from paths
            where is_moving
        ),

        received as (
            select
                pointer_id as user_id,
                cast(sum(downstream_count) as bigint) as downstream_count,
                cast(sum(qualified_count) as bigint) as qualified_count
            from moving
            where pointer_id is not null
            group by pointer_id
        ),

        tops as (
            select
                moving.user_id,
                moving.top_id,
                moving.depth,
                received.downstream_count,
                received.qualified_count
            from moving
            inner join received on moving.user_id = received.user_id
        )

        select
            moving.user_id,
            coalesce(upper.top_id, moving.top_id) as top_id,
            moving.depth + coalesce(upper.depth, 0) as depth,
            moving.downstream_count + coalesce(own.downstream_count, 0) as downstream_count,
            moving.qualified_count + coalesce(own.qualified_count, 0) as qualified_count,
            moving.steps * 2 as steps,
            own.user_id is not null or moving.depth + coalesce(upper.depth, 0) = moving.steps * 2 as is_moving
        from moving
        left join tops as own on moving.user_id = own.user_id
        left join tops as upper on moving.pointer_id = upper.user_id
    )
),

completed as (
    select * from paths
    where not is_moving
),

cycle_totals as (
    select
        cycles.cycle_id,
        count(*) + sum(completed.downstream_count) as people_count,
        sum(completed.qualified_count + cast(cycles.is_qualified_referral as bigint)) as qualified_count
    from cycles
    inner join completed on cycles.user_id = completed.user_id
    group by cycles.cycle_id
),

final as (
    select
        completed.user_id,
        coalesce(root_cycles.cycle_id, completed.top_id) as root_id,
        completed.depth,
        cast(coalesce(cycle_totals.people_count - 1, completed.downstream_count) as bigint) as downstream_count,
        cast(coalesce(
            cycle_totals.qualified_count - cast(members.is_qualified_referral as bigint), completed.qualified_count
        ) as bigint) as qualified_downstream_count,
        members.user_id is not null as is_in_cycle,
        root_cycles.user_id is not null as has_cycle_above
    from completed
    left join cycles as members on completed.user_id = members.user_id
    left join cycle_totals on members.cycle_id = cycle_totals.cycle_id
    left join cycles as root_cycles on completed.top_id = root_cycles.user_id
)

select * from final
