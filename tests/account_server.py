"""A small account on a real socket, whose rows a test chooses and which may contain any text.

It implements the documented lists, filters, order and pages.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.loopback_server import LoopbackServer, QuietHandler

DAY = "2026-01-05T10:00:00.000000Z"
COMPARED = {
    "equal": lambda found, wanted: found == wanted,
    "gt": lambda found, wanted: found > wanted,
    "gte": lambda found, wanted: found >= wanted,
    "lt": lambda found, wanted: found < wanted,
    "lte": lambda found, wanted: found <= wanted,
}
Row = dict[str, Any]


class AccountServer(LoopbackServer):
    """Use as a context manager. ``lists``: rows by path. ``errors``: status and body that replace a list, by path."""

    def __init__(self, lists: dict[str, list[Row]] | None = None) -> None:
        self.lists = small_account() if lists is None else lists
        self.errors: dict[str, tuple[int, bytes]] = {}
        account = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                path = unquote(asked.path).removeprefix("/api/v1/")
                status, body = account.errors.get(path) or account._answer(path, parse_qsl(asked.query))
                kind = "text/html" if body.startswith(b"<") else "application/json"
                self.answer(status, body, {"Content-Type": kind, "Date": self.date_time_string()})

        super().__init__(Handler)

    def _answer(self, path: str, asked: list[tuple[str, str]]) -> tuple[int, bytes]:
        rows = self.lists.get(path)
        if rows is None:
            return 404, b'{"message": "Not found"}'
        filters: dict[str, dict[str, str]] = {}
        for name, value in asked:
            if name.startswith("filters["):
                number, key = name.removeprefix("filters[").removesuffix("]").split("][")
                filters.setdefault(number, {})[key] = value
        for one in filters.values():
            rows = [row for row in rows if _matches(row.get(one["field"]), one["operator"], one["value"])]
        single = dict(asked)
        if field := single.get("order[field]"):
            descending = single.get("order[direction]") == "desc"
            rows = sorted(rows, key=lambda row: (row.get(field) is not None, row.get(field)), reverse=descending)
        size, page = int(single.get("per_page", 25)), int(single.get("page", 1))
        last = max(1, -(-len(rows) // size))
        shown = rows[(page - 1) * size : page * size]
        meta = {"current_page": page, "last_page": last, "per_page": size, "total": len(rows)}
        return 200, json.dumps({"data": shown, "meta": meta}).encode()


def _matches(found: Any, operator: str, wanted: str) -> bool:
    if found is None:
        return False
    if isinstance(found, (bool, int, float)):
        return COMPARED[operator](float(found), float(wanted))
    return COMPARED[operator](found, wanted)


def small_account(users: int = 3) -> dict[str, list[Row]]:
    """One campaign, a few users, one reward, one that is due and one in process."""
    return {
        "campaigns": [{
            "id": 1, "name": "Campaign", "url": "https://example.com/c", "code": "C1", "reach": 10, "live": True,
            "status": "launched", "starts_at": None, "ends_at": None,
        }],
        "users": [user(number) for number in range(1, users + 1)],
        "rewards": [reward(1)],
        "rewards/due": [due(1)],
        "rewards/issued": [issued(1)],
    }  # fmt: skip


def user(identifier: int, **changes: Any) -> Row:
    """A user; all but the first are referrals of the first."""
    return {
        "id": identifier, "campaign_id": 1, "referrer_id": None if identifier == 1 else 1, "qualified": False,
        "qualified_at": None, "unsubscribed": False, "unsubscribed_at": None, "first_name": f"U{identifier}",
        "email": f"u{identifier}@example.com", "code": f"k{identifier}", "reach": 0, "referrals_count": 0,
        "converted_referrals_count": 0, "source": "Api", "date": DAY, "url": "https://example.com/u", "meta": {},
        "sharing": {}, **changes,
    }  # fmt: skip


def reward(identifier: int, **changes: Any) -> Row:
    """A reward of the campaign."""
    return {
        "id": identifier, "campaign_id": 1, "name": "Gift", "reward_for": "Person Referring", "type": "Amazon Voucher",
        "value": 25, "when_referral": "Signs Up", **changes,
    }  # fmt: skip


def due(identifier: int, **changes: Any) -> Row:
    """A reward that is due to user 1."""
    return {
        "id": identifier, "reward_id": 1, "reward_for": "Person Referring", "reward_type": "Amazon Voucher",
        "reward_when_referral": "Signs Up", "reward_value": 25, "recipient_id": 1, "recipient_first_name": "U1",
        "recipient_email": "u1@example.com", "total_due": 1, "total_value": 25, "status": "Due", **changes,
    }  # fmt: skip


def issued(identifier: int, **changes: Any) -> Row:
    """A reward in process: in the list of issued ones, without a date."""
    return {
        "id": identifier, "reward_id": 1, "reward_for": "Person Referring", "reward_type": "Amazon Voucher",
        "reward_when_referral": "Signs Up", "reward_value": 25, "recipient_id": 1, "recipient_first_name": "U1",
        "recipient_email": "u1@example.com", "total_due": 1, "total_value": 25, "status": "Invoice Due",
        "issued_at": None, **changes,
    }  # fmt: skip
