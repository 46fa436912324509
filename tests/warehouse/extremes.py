"""Load files with the largest, smallest and oddest values that the loader accepts, for each column of each raw table.

The columns come from the loader's own list of fields, the values from the limits of its types.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from referral_warehouse.api.numbers import INT64
from referral_warehouse.load.records.schema import Field
from referral_warehouse.load.registry import DOCUMENTED

FIRST, SECOND, THIRD = "2026-01-01 08:00:00", "2026-01-02 09:00:00", "2026-01-04 10:00:00"
SYNCS = (FIRST, SECOND, THIRD)
MOST = Decimal("9999999999999999.99")
LONG = "ä" * 100_000
EXTREMES: dict[str, list[Any]] = {
    "int": [*INT64, 0, -1, 1, 2**31, 2**53, None],
    "money": [MOST, -MOST, Decimal("0.00"), Decimal("0.01"), Decimal("-0.01"), None],
    "bool": [True, False, None],
    "time": [
        "0001-01-01 00:00:00", "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00", "2038-01-19 03:14:08",
        "9999-12-31 23:59:59.999999", None,
    ],
    "text": [LONG, "", " ", "a\x00b", "it's \"quoted\" -- /* ; $1 %s \\", "🜁 Ω ‮ \u0000", "x / y", None],
    "json": ["{}", "[]", "null", '{"n": 12345678901234567890123, "\\u0000": [1e400]}', f'"{LONG}"', None],
}  # fmt: skip
SNAPSHOTS = ("campaigns", "rewards", "rewards_due", "rewards_issued")
"""Tables whose rows are versions: they carry the two validity columns."""

ORDINARY: dict[str, dict[str, Any]] = {
    "campaigns": {"name": "Spring", "reach": 9, "live": True},
    "rewards": {"campaign_id": 5, "type": "Cash", "value": Decimal("50.00"), "when_referral": "converted",
                "reward_for": "Person Invited (Referred User)"},
    "users": {"campaign_id": 5, "referrer_id": 101, "qualified": False, "email": "a@example.com", "source": "Referred",
              "date": "2025-12-01 08:00:00", "reach": 1, "referrals_count": 0},
    "rewards_due": {"reward_id": 1, "recipient_id": 101, "reward_type": "Cash", "reward_value": Decimal("50.00"),
                    "total_due": 1, "total_value": Decimal("50.00")},
    "rewards_issued": {"reward_id": 1, "recipient_id": 101, "reward_type": "Cash", "reward_value": Decimal("50.00"),
                       "total_due": 1, "total_value": Decimal("50.00"), "issued_at": "2025-12-20 08:00:00"},
    "coupons": {"name": "SAVE10", "referral_id": 102, "batch_id": 1, "issued_at": "2025-12-20 08:00:00"},
    "coupon_batches": {"name": "Batch", "campaign_id": 5},
}  # fmt: skip
Tables = dict[str, list[dict[str, Any]]]


def accepted(field: Field) -> list[Any]:
    """The extremes of a field that the loader lets through: a field that must have a value is never null."""
    return [value for value in EXTREMES[field.kind] if value is not None or field.must != "value"]


def ordinary_account() -> Tables:
    """Something of everything, so that every model has rows: 2 campaigns, 40 people, rewards due and issued."""
    users = [{"id": 101, **ORDINARY["users"], "referrer_id": None}]
    for number in range(102, 141):
        user = {
            "id": number,
            **ORDINARY["users"],
            "date": f"2025-11-{number - 101:02} 08:00:00" if number < 131 else FIRST,
        }
        if number % 2:
            user |= {"qualified": True, "qualified_at": "2025-12-15 08:00:00"}
        users.append(user)
    tables = {table: [{"id": 1, **row}] for table, row in ORDINARY.items()}
    return tables | {
        "campaigns": [{"id": number, **ORDINARY["campaigns"]} for number in (5, 6)],
        "users": users,
    }


def every_extreme(table: str, times: int = 2) -> Iterator[dict[str, Any]]:
    """Rows that are ordinary but for one column with one extreme; ids as such stand once, since they are unique."""
    number = 1000
    for field in DOCUMENTED[table].fields:
        for value in accepted(field):
            if field.name == "id":
                yield {**ORDINARY[table], "id": value}
                continue
            for _ in range(times):
                number += 1
                yield {"id": number, **ORDINARY[table], field.name: value}


def random_rows(table: str, chance: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Rows of which each value is ordinary or one of its extremes, and each id stands once."""
    for number in range(count):
        row = {"id": 2000 + number, **ORDINARY[table]}
        for field in DOCUMENTED[table].fields:
            if field.name != "id" and chance.random() < 0.5:
                row[field.name] = chance.choice(accepted(field))
        yield row


def planted(tables: Tables) -> Tables:
    """The tables with validity columns where they have any; each id once per table, the last row of it."""
    done: Tables = {}
    for table, rows in tables.items():
        unique = {row["id"]: row for row in rows}.values()
        done[table] = [{"seen": [FIRST, None], **row} if table in SNAPSHOTS else row for row in unique]
    return done
