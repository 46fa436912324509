"""The raw table of users, and the list that it is read from."""

from __future__ import annotations

from referral_warehouse.load.records.schema import TableSchema, fields
from referral_warehouse.personal_kinds import CODE, EMAIL, FREE_TEXT, LINK, NAME

USERS = TableSchema(
    "users",
    fields(
        "id:int:value", "campaign_id:int:value", "referrer_id:int:key", "qualified:bool:value", "qualified_at:time:key",
        "unsubscribed:bool", "unsubscribed_at:time", "first_name:text", "email:text:key", "code:text", "reach:int",
        "referrals_count:int", "converted_referrals_count:int", "source:text", "date:time:date", "url:text",
        "meta:json", "sharing:json", "sharing_message:json",
    ),
    personal={
        "first_name": NAME, "email": EMAIL, "code": CODE, "url": LINK, "meta": FREE_TEXT, "sharing": LINK,
        "sharing_message": FREE_TEXT,
    },
    impersonal=frozenset({"source"}),
    person="id",
)  # fmt: skip
USER_PATH = "users"
USER_CURSORS = ("date", "qualified_at", "unsubscribed_at")
USER_RELATIONS = ("coupon",)
