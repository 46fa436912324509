"""Rewards: the complete list of rewards that campaigns offer."""

from __future__ import annotations

from typing import ClassVar

from referral_warehouse.load.records.schema import LoadStrategy, TableSchema, fields
from referral_warehouse.load.streams.complete_list import CompleteList


class Rewards(CompleteList):
    """Every reward that a campaign of the account offers."""

    name: ClassVar[str] = "rewards"
    path: ClassVar[str] = "rewards"
    section: ClassVar[str] = "Rewards > Reward Relations"
    schema: ClassVar[TableSchema] = TableSchema(
        "rewards",
        fields(
            "id:int:value", "campaign_id:int:key", "name:text", "reward_for:text", "type:text:key", "value:money:key",
            "when_referral:text",
        ),
        LoadStrategy.LIST_HISTORY,
        impersonal=frozenset({"name", "reward_for", "type", "when_referral"}),
    )  # fmt: skip
