"""A made-up account with a log of each event: its definitions, people, rows of the reward lists and coupons.

Knows nothing of models, and nothing of what a loader keeps.
"""

from __future__ import annotations

import copy
import datetime as dt
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.warehouse.reward_histories.events import (
    CAMPAIGNS,
    HISTORIES,
    PEOPLE,
    REWARDS,
    START,
    TYPES,
    Event,
    Lists,
    Row,
    RowKey,
    ids_of,
)


class AccountState:
    """The account and its log. Each change is in one history, that with ``history_no``."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.history_no = 0
        self.now = START - dt.timedelta(days=60)
        self.run_no = 1
        self.events: list[Event] = []
        self.lists = Lists()
        self.ids = {"due": 0, "issued": 0}
        self.absent: dict[RowKey, Row] = {}
        self.history_of: dict[RowKey, int] = {}
        for self.history_no in range(HISTORIES):
            self.begin()
        self.origin = copy.deepcopy(self.lists)

    @property
    def campaigns(self) -> range:
        return ids_of(self.history_no, CAMPAIGNS)

    @property
    def rewards(self) -> range:
        return ids_of(self.history_no, REWARDS)

    @property
    def people(self) -> range:
        return ids_of(self.history_no, PEOPLE)

    def begin(self) -> None:
        """Definitions and people of a history; the first two people refer the others."""
        draw = self.draw
        for reward_id in self.rewards:
            self.lists.rewards[reward_id] = {
                "campaign_id": draw.choice(self.campaigns), "type": draw.choice(TYPES), "value": self.price(),
                "reward_for": draw.choice(("Person Referring (Direct User)", "Person Invited (Referred User)")),
                "when_referral": draw.choice(("invited", "converted")),
            }  # fmt: skip
        for user_id in self.people:
            referrer_id = draw.choice(self.people[:2]) if user_id in self.people[2:] else None
            qualified = referrer_id is not None and draw.random() < 0.5
            joined = self.now + dt.timedelta(days=draw.randrange(40), seconds=user_id)
            self.lists.people[user_id] = {
                "campaign_id": draw.choice(self.campaigns), "referrer_id": referrer_id, "date": joined,
                "qualified": qualified, "qualified_at": joined + dt.timedelta(days=3) if qualified else None,
                "is_gone": False,
            }  # fmt: skip

    def price(self) -> Decimal:
        """One in five has three digits after the point."""
        return Decimal(self.draw.randint(0, 3_000)) / 100 + (Decimal("0.005") if self.draw.random() < 0.2 else 0)

    @property
    def present(self) -> list[int]:
        """People of the history who are not deleted; all of them where nobody is there."""
        return [key for key in self.people if not self.lists.people[key]["is_gone"]] or list(self.people)

    def is_here(self, key: RowKey) -> bool:
        return self.history_of[key] == self.history_no

    def pick(self, test: Callable[[RowKey, Row], bool]) -> tuple[RowKey, Row] | None:
        found = [(key, row) for key, row in self.lists.rows.items() if self.is_here(key) and test(key, row)]
        return self.draw.choice(found) if found else None

    def log(self, kind: str, row: RowKey | None = None, **facts: Any) -> None:
        self.events.append(Event(self.run_no, kind, self.now, row, **facts))

    def add(self, list_name: str, row: Row) -> RowKey:
        self.ids[list_name] += 1
        key = (list_name, self.ids[list_name])
        self.lists.rows[key] = row
        self.history_of[key] = self.history_no
        return key

    def change(self, key: RowKey, **values: Any) -> None:
        row = replace(self.lists.rows[key], **values)
        if row.count:
            self.lists.rows[key] = row
        else:
            del self.lists.rows[key]

    def due_row(self, reward_id: int | None, recipient_id: int | None, own_type: str, price: Decimal) -> RowKey:
        """The row to which rewards are added: of a named reward the one there is, else a new one, which is empty."""
        found = self.pick(
            lambda key, row: key[0] == "due" and (row.reward_id, row.recipient_id) == (reward_id, recipient_id)
        )
        if found and (reward_id or (found[1].own_type == own_type and self.draw.random() < 0.3)):
            return found[0]
        row = Row(reward_id, recipient_id, own_type, 0, price, "due")
        key = self.add("due", row)
        self.log("row_begun", key, after=row)
        return key

    def grow(self, kind: str, key: RowKey, count: int, **facts: Any) -> None:
        row = self.lists.rows[key]
        self.log(kind, key, count=count, value=count * row.price, **facts)
        self.change(key, count=row.count + count)

    def leave(self, key: RowKey) -> None:
        """A row leaves its list, and may be in it again."""
        self.log("gone", key)
        self.absent[key] = self.lists.rows.pop(key)

    def come_back(self, key: RowKey, **values: Any) -> None:
        self.lists.rows[key] = replace(self.absent.pop(key), **values)
        self.log("back", key, after=self.lists.rows[key])
