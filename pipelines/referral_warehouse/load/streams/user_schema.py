"""The raw table of users, and the list that it is read from."""

from __future__ import annotations

from referral_warehouse.load.records.schema import TableSchema, fields

USERS = TableSchema(
    "users",
    fields(
        "id:int:value", "campaign_id:int:value", "referrer_id:int:key", "qualified:bool:value", "qualified_at:time:key",
        "unsubscribed:bool", "unsubscribed_at:time", "first_name:text", "email:text:key", "code:text", "reach:int",
        "referrals_count:int", "converted_referrals_count:int", "source:text", "date:time:date", "url:text",
        "meta:json", "sharing:json", "sharing_message:json",
    ),
    personal=frozenset({"first_name", "email", "code", "url", "meta", "sharing", "sharing_message"}),
)  # fmt: skip
USER_PATH = "users"
USER_CURSORS = ("date", "qualified_at", "unsubscribed_at")
USER_RELATIONS = ("coupon",)
