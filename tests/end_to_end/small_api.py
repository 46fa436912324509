"""A small account on a real socket, whose lists a test can change: it filters, orders and pages as documented.

Rows are plain dictionaries; the test changes ``lists`` between syncs.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.loopback_server import LoopbackServer, QuietHandler, server_time

Row = dict[str, Any]
JOINED = "2026-01-01T10:00:00.000000Z"


def _meets(value: Any, operator: str, wanted: str) -> bool:
    if value is None:
        return False
    ours: Any = float(value) if isinstance(value, (bool, int, float)) else str(value)
    theirs: Any = float(wanted) if isinstance(ours, float) else wanted
    tests = {
        "equal": ours == theirs,
        "gt": ours > theirs,
        "gte": ours >= theirs,
        "lt": ours < theirs,
        "lte": ours <= theirs,
    }
    return tests[operator]


class SmallApi(LoopbackServer):
    """Serves ``lists`` by path, such as ``rewards/due``. Use as a context manager.

    Attributes:
        calls: the requested paths; a test may clear it.
        honours_filters: False to ignore filters.
        days_ahead: how many days its clock is ahead, which has an effect where SIMULATED_TIME is set.
        coupons: the coupons that are found by name, also where no user has them.
    """

    def __init__(self, lists: dict[str, list[Row]]) -> None:
        self.become(lists)
        self.calls: list[str] = []
        self.honours_filters = True
        self.days_ahead = 0.0
        api = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                path = unquote(asked.path).removeprefix("/api/v1/")
                api.calls.append(path)
                status, payload = api._answer(path, parse_qsl(asked.query))
                self.answer(
                    status,
                    json.dumps(payload).encode(),
                    {"Date": self.date_time_string(server_time() + 86_400 * api.days_ahead)},
                )

        super().__init__(Handler)

    def become(self, lists: dict[str, list[Row]]) -> None:
        """Serve another account: its lists and its coupons."""
        self.lists = lists
        self.coupons = {row["coupon"]["name"]: row["coupon"] for row in lists["users"] if row.get("coupon")}

    def _answer(self, path: str, asked: list[tuple[str, str]]) -> tuple[int, dict[str, Any]]:
        if path.removeprefix("coupons/") in self.coupons:
            return 200, {"data": self.coupons[path.removeprefix("coupons/")]}
        if path not in self.lists:
            return 404, {"message": "Not found"}
        rows = self.lists[path]
        filters: dict[str, dict[str, str]] = {}
        for name, value in asked:
            if name.startswith("filters["):
                _, number, key = name.replace("]", "").split("[")
                filters.setdefault(number, {})[key] = value
        for one in filters.values() if self.honours_filters else ():
            rows = [row for row in rows if _meets(row.get(one["field"]), one["operator"], one["value"])]
        words = dict(asked)
        if field := words.get("order[field]"):
            is_falling = words.get("order[direction]") == "desc"
            rows = sorted(rows, key=lambda row: (row.get(field) is not None, row.get(field)), reverse=is_falling)
        size, page = int(words.get("per_page", 25)), int(words.get("page", 1))
        last = max(1, -(-len(rows) // size))
        return 200, {
            "data": rows[(page - 1) * size : page * size],
            "links": {"next": "further" if page < last else None},
            "meta": {"current_page": page, "last_page": last, "per_page": size, "total": len(rows)},
        }


def campaign(number: int, **changed: Any) -> Row:
    return {
        "id": number, "name": f"Campaign {number}", "url": f"https://example.com/c/{number}", "code": f"C{number}",
        "reach": 10, "live": True, "status": "launched", "starts_at": None, "ends_at": None,
    } | changed  # fmt: skip


def user(number: int, **changed: Any) -> Row:
    return {
        "id": number, "campaign_id": 1, "referrer_id": None, "qualified": False, "qualified_at": None,
        "unsubscribed": False, "unsubscribed_at": None, "first_name": f"U{number}", "email": f"u{number}@example.com",
        "code": f"k{number}", "reach": 0, "referrals_count": 0, "converted_referrals_count": 0, "source": "Api",
        "date": JOINED, "url": "https://example.com/u", "meta": {}, "sharing": {},
    } | changed  # fmt: skip


def reward(number: int, **changed: Any) -> Row:
    return {
        "id": number, "campaign_id": 1, "name": "Gift", "reward_for": "Person Referring", "type": "Amazon Voucher",
        "value": 25, "when_referral": "Signs Up",
    } | changed  # fmt: skip


def due(number: int, **changed: Any) -> Row:
    """What is due to user ``number``."""
    return {
        "id": number, "reward_id": 1, "reward_for": "Person Referring", "reward_type": "Amazon Voucher",
        "reward_when_referral": "Signs Up", "reward_value": 25, "recipient_id": number,
        "recipient_first_name": f"U{number}", "recipient_email": f"u{number}@example.com", "total_due": 1,
        "total_value": 25, "status": "Due",
    } | changed  # fmt: skip


def issued(number: int, **changed: Any) -> Row:
    """What was issued to user ``number``."""
    return due(number) | {"status": "Issued", "issued_at": "2026-01-02T10:00:00.000000Z"} | changed


def account(users: int = 30, campaigns: int = 12) -> dict[str, list[Row]]:
    """An account with so many of everything; each user has a coupon, half have a reward due, the others one issued."""
    half = users // 2
    return deepcopy(
        {
            "campaigns": [campaign(i) for i in range(1, campaigns + 1)],
            "rewards": [reward(i) for i in range(1, campaigns + 1)],
            "users": [user(i, coupon=coupon(i)) for i in range(1, users + 1)],
            "rewards/due": [due(i) for i in range(1, half + 1)],
            "rewards/issued": [issued(i) for i in range(half + 1, users + 1)],
        }
    )


def coupon(number: int) -> Row:
    return {
        "id": number, "name": f"COUPON-{number}", "referral_id": number, "batch_id": None,
        "issued_at": JOINED, "used_at": None,
    }  # fmt: skip
