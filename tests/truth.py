"""Compares the published warehouse with the sandbox's own tables, row by row and column by column."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.sandbox import Sandbox
from referral_warehouse.sandbox.domain.resources import TABLES

# stream → published table, condition of rows that are there now, {API field: column}
COLUMNS: dict[str, tuple[str, str, dict[str, str]]] = {
    "campaigns": (
        "core.campaigns",
        "deleted_at is null",
        {
            "id": "campaign_id", "name": "name", "url": "url", "code": "code", "reach": "reach", "live": "is_live",
            "status": "status", "starts_at": "starts_at", "ends_at": "ends_at",
        },
    ),
    "users": (
        "core.users",
        "deleted_at is null",
        {
            "id": "user_id", "campaign_id": "campaign_id", "referrer_id": "referrer_id", "qualified": "is_qualified",
            "qualified_at": "qualified_at", "unsubscribed": "is_unsubscribed", "unsubscribed_at": "unsubscribed_at",
            "first_name": "first_name", "email": "email", "code": "code", "reach": "reach",
            "referrals_count": "referrals_count", "converted_referrals_count": "converted_referrals_count",
            "source": "source", "date": "joined_at", "url": "url", "meta": "meta", "sharing": "sharing",
            "sharing_message": "sharing_message",
        },
    ),
    "rewards": (
        "core.rewards",
        "deleted_at is null",
        {
            "id": "reward_id", "campaign_id": "campaign_id", "name": "name", "reward_for": "reward_for",
            "type": "reward_type", "value": "reward_value", "when_referral": "when_referral",
        },
    ),
    "rewards_due": (
        "core.rewards_due",
        "true",
        {
            "id": "due_id", "reward_id": "reward_id", "recipient_id": "recipient_id", "total_due": "due_count",
            "total_value": "due_value", "status": "status", "reward_for": "reward_for", "reward_type": "reward_type",
            "reward_when_referral": "when_referral", "reward_value": "reward_value",
        },
    ),
    "rewards_issued": (
        "core.rewards_issued",
        "deleted_at is null",
        {
            "id": "issued_id", "reward_id": "reward_id", "recipient_id": "recipient_id", "total_due": "issued_count",
            "total_value": "issued_value", "status": "status", "issued_at": "issued_at", "reward_for": "reward_for",
            "reward_type": "reward_type", "reward_when_referral": "when_referral", "reward_value": "reward_value",
        },
    ),
    "coupons": (
        "core.coupons",
        "deleted_at is null",
        {
            "id": "coupon_id", "name": "name", "referral_id": "user_id", "batch_id": "batch_id",
            "batch_name": "batch_name", "campaign_id": "campaign_id", "issued_at": "issued_at", "used_at": "used_at",
        },
    ),
}  # fmt: skip
UNPUBLISHED = {"issued_at", "recipient_first_name", "recipient_email"}
"""Fields that a table may lack: rewards due have no date, and lists of rewards name people by id."""
JSON_FIELDS = {"meta", "sharing", "sharing_message"}
TIME_FIELDS = {
    name for table in TABLES.values() for name, field in table.fields.items() if field.kind in ("datetime", "date")
}


def differences(sandbox: Sandbox, warehouse: Path, stream: str) -> list[str]:
    """The differences of a stream: missing rows, unexpected rows, and every column that differs."""
    table, condition, columns = COLUMNS[stream]
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        names = ", ".join(columns.values())
        found = connection.execute(f"select {names} from {table} where {condition}").fetchall()
    ours = {
        row[0]: {field: canonical(field, value) for field, value in zip(columns, row, strict=True)} for row in found
    }
    expected: dict[int, dict[str, Any]] = {}
    for row in sandbox.rows(stream):
        if stream == "coupons" and row["referral_id"] is None and row["id"] not in ours:
            continue  # an unassigned coupon is in no list of the API: it can be read by its name alone
        assert columns.keys() | UNPUBLISHED >= row.keys(), f"untested fields: {row.keys() - columns.keys()}"
        expected[row["id"]] = {field: canonical(field, row[field]) for field in columns}
    assert len(ours) == len(found), f"{table} holds an id twice"
    problems = [f"{stream} {i} is missing" for i in sorted(expected.keys() - ours.keys())]
    problems += [f"{stream} {i} is not there any more" for i in sorted(ours.keys() - expected.keys())]
    for i in sorted(expected.keys() & ours.keys()):
        for field, value in expected[i].items():
            if ours[i][field] != value:
                problems.append(f"{stream} {i}: {field} is {value!r} there and {ours[i][field]!r} here")
    return problems


def canonical(field: str, value: Any) -> Any:
    """A value of either side: times as naive UTC, money as exact numbers, JSON decoded."""
    if value is None:
        return None
    if field in JSON_FIELDS:
        return json.loads(value) if isinstance(value, str) else value
    if field in TIME_FIELDS:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)
    if isinstance(value, (Decimal, float)):
        return Decimal(str(value)).quantize(Decimal("0.01"))
    return value
