"""What happens to definitions and to rewards that are due: they accrue, are issued, reversed, renamed and repriced.

Knows nothing of models, and nothing of what a loader keeps.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from tests.warehouse.reward_histories.account import AccountState
from tests.warehouse.reward_histories.events import TYPES


class RewardActions(AccountState):
    """Each method named ``do_…`` makes one change of a reward in a history, where one is possible."""

    def do_accrue(self) -> None:
        reward_id = self.draw.choice((*self.rewards, None, None))
        definition = self.lists.rewards.get(reward_id or 0, {"type": self.draw.choice(TYPES), "value": self.price()})
        key = self.due_row(reward_id, self.draw.choice(self.present), definition["type"], definition["value"])
        self.grow("accrued", key, self.draw.randint(1, 3))

    def do_reverse(self) -> None:
        if found := self.pick(lambda key, _: key[0] == "due"):
            key, row = found
            count = self.draw.randint(1, row.count)
            self.log("reversed", key, count=count, value=count * row.price)
            self.change(key, count=row.count - count)

    def do_issue(self) -> None:
        """At once or in process; one in ten bears a date before the sync before."""
        if found := self.pick(lambda key, _: key[0] == "due"):
            key, row = found
            count, in_process = self.draw.randint(1, row.count), self.draw.random() < 0.5
            dated = self.now - dt.timedelta(days=self.draw.randint(20, 40) if self.draw.random() < 0.1 else 0)
            state, issued_at = ("in process", None) if in_process else ("issued", dated)
            to = self.add("issued", replace(row, count=count, state=state, issued_at=issued_at))
            self.log("issued", key, to=to, count=count, value=count * row.price, after=self.lists.rows[to])
            self.change(key, count=row.count - count)

    def do_reprice(self) -> None:
        """A definition and all that is due of it, or a row that names none; often beside an accrual."""
        price, reward_id = self.price(), self.draw.choice((*self.rewards, None))
        found = self.pick(lambda key, row: key[0] == "due" and row.reward_id is None)
        if reward_id is not None:
            self.lists.rewards[reward_id]["value"] = price
            self.log("definition_repriced", id=reward_id, after=price)
            keys = [key for key, row in self.lists.rows.items() if key[0] == "due" and row.reward_id == reward_id]
        else:
            keys = [found[0]] if found else []
        for key in keys:
            self.log("repriced", key, after=price)
            self.change(key, price=price)
        if keys and self.draw.random() < 0.4:
            self.grow("accrued", self.draw.choice(keys), 1)

    def do_rename(self) -> None:
        """The type of a definition and of its rows, or of a row that names none."""
        reward_id, name = self.draw.choice((*self.rewards, None)), self.draw.choice(TYPES)
        found = self.pick(lambda _, row: row.reward_id is None)
        if reward_id is not None:
            self.lists.rewards[reward_id]["type"] = name
            self.log("definition_renamed", id=reward_id, after=name)
        elif found is None:
            return
        for key, row in list(self.lists.rows.items()):
            if (row.reward_id == reward_id) if reward_id else (key == found[0] if found else False):
                self.log("row_renamed", key, after=name)
                self.change(key, own_type=name)

    def do_move(self) -> None:
        reward_id, campaign_id = self.draw.choice(self.rewards), self.draw.choice(self.campaigns)
        self.lists.rewards[reward_id]["campaign_id"] = campaign_id
        self.log("definition_moved", id=reward_id, after=campaign_id)

    def do_name(self) -> None:
        """A row that named no reward names one, or the other way round."""
        if found := self.pick(lambda _, row: row.state in ("due", "in process")):
            key, row = found
            reward_id = None if row.reward_id else self.draw.choice(self.rewards)
            name = self.lists.rewards[reward_id]["type"] if reward_id else self.draw.choice(TYPES)
            self.log("row_named", key, after=reward_id)
            self.log("row_renamed", key, after=name)
            self.change(key, reward_id=reward_id, own_type=name)
