"""The account that past releases have read: two states of it, a day apart, and a third that only today's version reads.

Knows nothing of the loader. Past fixtures were made with the first two states: do not change these.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.end_to_end.small_api import Row, SmallApi, account, campaign, due, issued, user
from tests.loopback_server import DAY_S, server_time

FIRST = datetime(2026, 2, 1, 12, tzinfo=UTC)
"""The time of the API in the first state, which is on a past day: a fixture can be read on any later one."""
JOINED_LATER = "2026-02-02T09:00:00.000000Z"


def state(number: int) -> dict[str, list[Row]]:
    """The lists of the account in its first, second or third state."""
    lists = account(users=8, campaigns=3)
    if number >= 2:
        lists["campaigns"][1] = campaign(2, reach=11)
        lists["users"][2] |= {"qualified": True, "qualified_at": JOINED_LATER}
        lists["users"][0]["coupon"]["used_at"] = JOINED_LATER
        lists["rewards"][1]["value"] = 12.5
        lists["rewards/due"] = [row for row in lists["rewards/due"] if row["id"] != 2]
        lists["rewards/issued"].append(issued(2, issued_at=JOINED_LATER))
        _delete(lists, 8)
    if number >= 3:
        lists["campaigns"].append(campaign(4))
        lists["users"].append(user(9, date="2026-02-03T09:00:00.000000Z", referrer_id=1))
        lists["rewards/due"][0] |= {"reward_value": 1.125, "total_value": 1.125}
        lists["rewards/due"].append(due(9))
        lists["rewards/issued"][0]["status"] = "Redeemed"
        _delete(lists, 7)
    return lists


def show(api: SmallApi, number: int) -> None:
    """Serve a state on its day; the clock of the server is then that of the account."""
    api.become(state(number))
    wanted = FIRST + timedelta(days=number - 1)
    api.days_ahead = (wanted.timestamp() - server_time()) / DAY_S


def _delete(lists: dict[str, list[Row]], identifier: int) -> None:
    lists["users"] = [row for row in lists["users"] if row["id"] != identifier]
    for name in ("rewards/due", "rewards/issued"):
        lists[name] = [row for row in lists[name] if row["recipient_id"] != identifier]
