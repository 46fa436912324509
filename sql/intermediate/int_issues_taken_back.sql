-- grain: one row per row of the list of rewards issued that left it, and whose issue was taken back, at least in part
-- reads: intermediate.int_reward_changes, intermediate.int_reward_ledger, intermediate.int_reward_types
-- money: taken_back_value in the row's unit, exact for a whole row, else its share, rounded to the published digits
-- time: none
-- materialized: table
-- The ledger takes back as many rewards as left the list and are due again. Here they are assigned to the rows that left, in
-- the order of their ids, so that what failed does not count as issued. Rewards of rows that name none are taken back
-- in the place of the row; those of a definition in whichever place it has then.

with unlisted as (
    select
        record_id,
        reward_id,
        recipient_id,
        campaign_id,
        type_no,
        sync_no,
        change_at,
        direction,
        -change_count as gone_count,
        -change_value as gone_value
    from intermediate.int_reward_changes
    where reward_state = 'unlisted' and sync_no is not null
),

taken as (
    select * from intermediate.int_reward_ledger
    where taken_back_count > 0
),

types as (
    select * from intermediate.int_reward_types
),

balances as (
    select
        reward_id,
        recipient_id,
        sync_no,
        case when reward_id = 0 then campaign_id end as campaign_id,
        case when reward_id = 0 then reward_type end as reward_type,
        case when reward_id = 0 then unit end as unit,
        sum(taken_back_count) as taken_back_count,
        row_number() over () as balance_no
    from taken
    group by all
),

-- Of a row that left the list several times, only the last time counts; one that is back in the list is not gone.
last_seen as (
    select
        unlisted.*,
        types.label as reward_type,
        types.unit
    from unlisted
    inner join types on unlisted.type_no = types.type_no
    qualify row_number() over (partition by unlisted.record_id order by unlisted.change_at desc, unlisted.direction desc) = 1
),

gone as (
    select * from last_seen
    where direction = -1
),

assigned as (
    select
        gone.record_id,
        gone.gone_count,
        gone.gone_value,
        greatest(
            least(balances.taken_back_count + gone.gone_count - sum(gone.gone_count) over balance_rows, gone.gone_count), 0
        ) as taken_back_count
    from gone
    inner join balances
        on
            gone.reward_id = balances.reward_id
            and gone.recipient_id = balances.recipient_id
            and gone.sync_no = balances.sync_no
            and (
                gone.reward_id <> 0
                or (
                    gone.campaign_id = balances.campaign_id
                    and gone.reward_type = balances.reward_type
                    and gone.unit = balances.unit
                )
            )
    window balance_rows as (partition by balances.balance_no order by gone.record_id rows unbounded preceding)
),

final as (
    select
        record_id,
        cast(taken_back_count as decimal(38, 0)) as taken_back_count,
        case
            when taken_back_count = gone_count then gone_value
            else cast(
                round(cast(gone_value as double) * taken_back_count / gone_count, getvariable('amount_digits'))
                as decimal(38, 6)
            )
        end as taken_back_value
    from assigned
    where taken_back_count > 0
)

select * from final
