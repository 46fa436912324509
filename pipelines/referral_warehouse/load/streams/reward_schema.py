"""The raw tables of rewards due and rewards issued, which share most of their fields."""

from __future__ import annotations

from referral_warehouse.load.records.schema import Field, LoadStrategy, TableSchema, fields
from referral_warehouse.personal_kinds import EMAIL, NAME

_SHARED = fields(
    "id:int:value", "reward_id:int:value", "reward_for:text", "reward_type:text", "reward_when_referral:text",
    "reward_value:money", "recipient_id:int:key", "recipient_first_name:text", "recipient_email:text",
    "total_due:int:value", "total_value:money:key", "status:text",
)  # fmt: skip
_PERSONAL = {"recipient_first_name": NAME, "recipient_email": EMAIL}
_IMPERSONAL = frozenset({"reward_for", "reward_type", "reward_when_referral", "status"})

REWARDS_DUE = TableSchema(
    "rewards_due", (*_SHARED, Field("issued_at", "time")), LoadStrategy.LIST_HISTORY,
    personal=_PERSONAL, impersonal=_IMPERSONAL, person="recipient_id",
)  # fmt: skip
REWARDS_ISSUED = TableSchema(
    "rewards_issued", (*_SHARED, Field("issued_at", "time", "key")), LoadStrategy.ROW_HISTORY,
    personal=_PERSONAL, impersonal=_IMPERSONAL, person="recipient_id",
)  # fmt: skip
