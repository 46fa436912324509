-- grain: one row per unit that rewards are or were counted in, or that the settings name
-- key: unit
-- reads: intermediate.int_units, intermediate.int_unit_terms, intermediate.int_reward_versions, intermediate.int_reward_promises
-- money: none
-- time: none
-- What the values of rewards mean. The API names no currency: the setting warehouse.reward_units gives units to reward
-- types, campaigns and rewards; a type that gets none is a unit of its own, type:<reward type>.
-- answers: Which values are money? With how many digits is a value shown? Which rewards stay owed until they are used?
-- wrong: is_money is null for reward types without a unit, because nothing says whether they are money. A value may have
-- more digits than its currency has; it is never rounded.

with units as (
    select * from intermediate.int_units
),

terms as (
    select * from intermediate.int_unit_terms
    where until_on is null
),

occurring as (
    select unit from intermediate.int_reward_versions
    union
    select unit from intermediate.int_reward_promises
    union
    select unit from units
),

final as (
    select
        occurring.unit, -- as in the column unit of every other table
        coalesce(units.kind, 'reward type') as kind, -- currency, percent, word, or reward type for one that the settings give no unit
        units.name, -- name of the currency in ISO 4217; null for other words
        units.is_money, -- true for currencies, false for percent and other words; null = not known
        units.digits, -- digits after the decimal point that the currency has in ISO 4217; null = none defined
        coalesce(terms.settles_on, 'issue') as settles_on, -- issue or use: when a reward is no longer owed (setting warehouse.settles_on)
        terms.expires_after_days -- days after which unused rewards expire; null = never
    from occurring
    left join units on occurring.unit = units.unit
    left join terms on occurring.unit = terms.unit
)

select * from final
order by unit
