"""What happens to payouts: they are completed, cancelled or fail, and leave the list of rewards issued and return.

Knows nothing of models, and nothing of what a loader keeps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.warehouse.reward_histories.account import AccountState
from tests.warehouse.reward_histories.events import TYPES, Row


class PayoutActions(AccountState):
    """Each method named ``do_…`` makes one change of a payout in a history, where one is possible."""

    def do_complete(self) -> None:
        if found := self.pick(lambda _, row: row.state == "in process"):
            self.log("completed", found[0], after=self.now)
            self.change(found[0], state="issued", issued_at=self.now)

    def do_cancel(self) -> None:
        if found := self.pick(lambda _, row: row.state == "in process"):
            self.log("cancelled", found[0])
            self.change(found[0], state="cancelled")

    def do_withdraw(self) -> None:
        """A payout in process leaves its list."""
        if found := self.pick(lambda _, row: row.state == "in process"):
            self.leave(found[0])

    def do_bring_back(self) -> None:
        """A payout that had left its list is in it again, with the type that its reward has now; often changed."""
        if not (able := [key for key in self.absent if self.is_here(key) and key[0] == "issued"]):
            return
        key = self.draw.choice(able)
        row = self.absent[key]
        own_type = self.lists.rewards[row.reward_id]["type"] if row.reward_id else row.own_type
        values: dict[str, Any] = {"own_type": own_type}
        if row.state == "issued":
            values |= self.draw.choice((
                {}, {}, {}, {"price": self.price()}, {"count": self.draw.randint(1, 3)}, {"issued_at": self.now},
                {"own_type": self.draw.choice(TYPES)}, {"recipient_id": self.draw.choice(self.people)},
                {"recipient_id": None}, {"state": "in process", "issued_at": None},
            ))  # fmt: skip
        self.come_back(key, **values)
        if row.state == "issued" and self.draw.random() < 0.5:
            self.fulfil(row)

    def fulfil(self, row: Row) -> None:
        """What was due again for a payout is due no longer."""
        due = self.pick(
            lambda key, other: (
                key[0] == "due"
                and (other.reward_id, other.recipient_id) == (row.reward_id, row.recipient_id)
                and (row.reward_id is not None or other.own_type == row.own_type)
            )
        )
        if due:
            count = min(row.count, due[1].count)
            self.log("reversed", due[0], count=count, value=count * due[1].price)
            self.change(due[0], count=due[1].count - count)

    def do_fail(self) -> None:
        """A dated payout came back: its row is gone, and the same rewards are due again at today's price, or some."""
        if found := self.pick(lambda _, row: row.state == "issued"):
            key, row = found
            price = self.lists.rewards[row.reward_id]["value"] if row.reward_id else row.price
            self.leave(key)
            count = self.draw.choice((row.count, row.count, 1))
            self.grow("due_again", self.due_row(row.reward_id, row.recipient_id, row.own_type, price), count)

    def do_unlist(self) -> None:
        """A dated payout leaves the list, and nothing is due again."""
        if found := self.pick(lambda _, row: row.state == "issued"):
            self.leave(found[0])

    def do_correct(self) -> None:
        """A dated payout has another price or count."""
        if found := self.pick(lambda _, row: row.state == "issued"):
            key, row = found
            price, count = self.draw.choice(((self.price(), row.count), (row.price, self.draw.randint(1, 3))))
            self.log("corrected", key, after=replace(row, price=price, count=count))
            self.change(key, price=price, count=count)

    def do_amend(self) -> None:
        if found := self.pick(lambda _, row: row.state == "in process"):
            price = self.price()
            self.log("repriced", found[0], after=price)
            self.change(found[0], price=price)
