"""Recognises two tokens of one account by what they loaded: its rows would be counted twice across accounts.

Knows the tables that all accounts publish together. Two accounts may have equal ids; that alone proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

PAIRS = """
select one.account as one, other.account as other
from draft.core.campaigns as one
join draft.core.campaigns as other
    on one.account < other.account and one.campaign_id = other.campaign_id and one.code = other.code
group by all
order by all
"""
SHARE = """
with people as (
    select account, user_id, campaign_id, code, email, joined_at from draft.core.users
),
ours as (
    from people where account = $one
),
theirs as (
    from people where account = $other
)
select
    (select count(*) from (select * exclude (account) from ours intersect select * exclude (account) from theirs)),
    (select least((select count(*) from ours), (select count(*) from theirs)))
"""


def same_accounts(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """A warning for each two accounts that list a common campaign, and of the smaller one more than half of the users.

    Args: ``connection`` has the database of all accounts attached as ``draft``.
    """
    found = []
    for one, other in connection.execute(PAIRS).fetchall():
        shared, most = connection.execute(SHARE, {"one": one, "other": other}).fetchall()[0]
        if shared * 2 > most:
            found.append(
                f"the accounts {one} and {other} have {shared:,} users in common: if both tokens are of one account, "
                "its data is published twice; remove one of them from the settings"
            )
    return found
