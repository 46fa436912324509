"""A made-up account in which rewards fall due, are issued, corrected, renamed and used, with a log of each event.

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


class World:
    """The account. Each method named ``do_…`` lets one thing happen in one of its histories, if it can happen there."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.history_no = 0
        self.now = START - dt.timedelta(days=60)
        self.sync_no = 1
        self.events: list[Event] = []
        self.lists = Lists()
        self.ids = {"due": 0, "issued": 0}
        self.away: dict[RowKey, Row] = {}
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
            }  # fmt: skip

    def price(self) -> Decimal:
        """One in five has three digits after the point."""
        return Decimal(self.draw.randint(0, 3_000)) / 100 + (Decimal("0.005") if self.draw.random() < 0.2 else 0)

    def pick(self, test: Callable[[RowKey, Row], bool]) -> tuple[RowKey, Row] | None:
        found = [(k, row) for k, row in self.lists.rows.items() if row.recipient_id in self.people and test(k, row)]
        return self.draw.choice(found) if found else None

    def log(self, kind: str, row: RowKey | None = None, **facts: Any) -> None:
        self.events.append(Event(self.sync_no, kind, self.now, row, **facts))

    def add(self, list_name: str, row: Row) -> RowKey:
        self.ids[list_name] += 1
        key = (list_name, self.ids[list_name])
        self.lists.rows[key] = row
        return key

    def change(self, key: RowKey, **values: Any) -> None:
        row = replace(self.lists.rows[key], **values)
        if row.count:
            self.lists.rows[key] = row
        else:
            del self.lists.rows[key]

    def due_row(self, reward_id: int | None, recipient_id: int, own_type: str, price: Decimal) -> RowKey:
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

    def do_accrue(self) -> None:
        reward_id = self.draw.choice((*self.rewards, None, None))
        definition = self.lists.rewards.get(reward_id or 0, {"type": self.draw.choice(TYPES), "value": self.price()})
        key = self.due_row(reward_id, self.draw.choice(self.people), definition["type"], definition["value"])
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
            self.log("gone", found[0])
            self.away[found[0]] = self.lists.rows.pop(found[0])

    def do_bring_back(self) -> None:
        """A payout in process that had left its list is in it again, with the type that its reward has now."""
        if able := [key for key, row in self.away.items() if row.recipient_id in self.people]:
            key = self.draw.choice(able)
            row = self.away.pop(key)
            own_type = self.lists.rewards[row.reward_id]["type"] if row.reward_id else row.own_type
            self.lists.rows[key] = replace(row, own_type=own_type)
            self.log("back", key, after=self.lists.rows[key])

    def do_fail(self) -> None:
        """A dated payout came back: its row is gone, and the same rewards are due again at today's price."""
        if found := self.pick(lambda _, row: row.state == "issued"):
            key, row = found
            price = self.lists.rewards[row.reward_id]["value"] if row.reward_id else row.price
            self.log("gone", key)
            del self.lists.rows[key]
            self.grow("due_again", self.due_row(row.reward_id, row.recipient_id, row.own_type, price), row.count)

    def do_amend(self) -> None:
        if found := self.pick(lambda _, row: row.state == "in process"):
            price = self.price()
            self.log("repriced", found[0], after=price)
            self.change(found[0], price=price)

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

    def do_move_person(self) -> None:
        user_id, campaign_id = self.draw.choice(self.people), self.draw.choice(self.campaigns)
        self.lists.people[user_id]["campaign_id"] = campaign_id
        self.log("person_moved", id=user_id, after=campaign_id)

    def do_merge(self) -> None:
        """One person turns out to be another: what they are owed and whom they referred go over."""
        user_id, into_id = self.draw.sample(self.people, 2)
        for key, row in list(self.lists.rows.items()):
            if row.recipient_id == user_id and row.state in ("due", "in process"):
                self.log("row_readdressed", key, after=into_id)
                self.change(key, recipient_id=into_id)
        for other_id, person in self.lists.people.items():
            if person["referrer_id"] == user_id and other_id != into_id:
                person["referrer_id"] = into_id
                self.log("referrer_changed", id=other_id, after=into_id)

    def do_coupon(self) -> None:
        """A person gets a coupon, or one is used, given back or deleted."""
        coupons = self.lists.coupons
        able = [key for key, coupon in coupons.items() if coupon["user_id"] in self.people and not coupon["is_gone"]]
        deed = self.draw.choice(("issue", "issue", "use", "use", "return", "delete")) if able else "issue"
        if deed == "issue":
            coupon_id, day = len(coupons) + 1, self.now.replace(hour=0, minute=0, second=0)
            coupons[coupon_id] = {
                "user_id": self.draw.choice(self.people), "issued_at": day, "used_at": None, "is_gone": False,
                "batch_id": self.draw.choice(self.campaigns),
            }  # fmt: skip
            self.log("coupon_issued", id=coupon_id, after=dict(coupons[coupon_id]))
            return
        coupon_id = self.draw.choice(able)
        if deed == "delete":
            coupons[coupon_id]["is_gone"] = True
        else:
            coupons[coupon_id]["used_at"] = self.now if deed == "use" else None
        self.log(f"coupon_{deed}", id=coupon_id)


DEEDS = (
    [name for name in dir(World) if name.startswith("do_")] + ["do_accrue"] * 3 + ["do_issue"] * 2 + ["do_coupon"] * 2
)
