"""What happens to people and their coupons: they move, are merged, deleted and restored, and get and use coupons.

Knows nothing of models, and nothing of what a loader keeps.
"""

from __future__ import annotations

from tests.warehouse.reward_histories.account import AccountState


class PeopleActions(AccountState):
    """Each method named ``do_…`` makes one change of a person or coupon in a history, where one is possible."""

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
        if self.draw.random() < 0.5:
            self.delete(user_id)

    def do_delete_person(self) -> None:
        self.delete(self.draw.choice(self.present))

    def delete(self, user_id: int) -> None:
        """What the person is owed or got stays in the lists, leaves them, or names nobody from then on."""
        if self.lists.people[user_id]["is_gone"]:
            return
        self.lists.people[user_id]["is_gone"] = True
        self.log("person_deleted", id=user_id)
        what = self.draw.choice(("stays", "owed leaves", "all leaves", "names nobody"))
        for key, row in list(self.lists.rows.items()):
            if row.recipient_id != user_id or what == "stays":
                continue
            if what == "names nobody":
                self.log("row_readdressed", key, after=None)
                self.change(key, recipient_id=None)
            elif what == "all leaves" or row.state != "issued":
                self.leave(key)
        for coupon_id, coupon in self.lists.coupons.items():
            if coupon["user_id"] == user_id and not coupon["is_gone"]:
                self.end_coupon(coupon_id, self.draw.choice(("delete", "delete", "unassign", "keep")))

    def do_restore_person(self) -> None:
        """A person who was deleted is there again, often with what left the lists meanwhile."""
        if not (able := [key for key in self.people if self.lists.people[key]["is_gone"]]):
            return
        user_id = self.draw.choice(able)
        self.lists.people[user_id]["is_gone"] = False
        self.log("person_restored", id=user_id)
        if self.draw.random() < 0.5:
            for key in [key for key, row in self.absent.items() if row.recipient_id == user_id]:
                self.come_back(key)

    def end_coupon(self, coupon_id: int, action: str) -> None:
        if action == "delete":
            self.lists.coupons[coupon_id]["is_gone"] = True
        elif action == "unassign":
            self.lists.coupons[coupon_id]["user_id"] = None
        if action != "keep":
            self.log(f"coupon_{action}", id=coupon_id)

    def do_coupon(self) -> None:
        """A person gets a coupon, or one is used, given back or deleted."""
        coupons = self.lists.coupons
        able = [key for key, coupon in coupons.items() if coupon["user_id"] in self.people and not coupon["is_gone"]]
        action = self.draw.choice(("issue", "issue", "use", "use", "return", "delete")) if able else "issue"
        if action == "issue":
            coupon_id, day = len(coupons) + 1, self.now.replace(hour=0, minute=0, second=0)
            coupons[coupon_id] = {
                "user_id": self.draw.choice(self.present), "issued_at": day, "used_at": None, "is_gone": False,
                "batch_id": self.draw.choice(self.campaigns),
            }  # fmt: skip
            self.log("coupon_issued", id=coupon_id, after=dict(coupons[coupon_id]))
            return
        coupon_id = self.draw.choice(able)
        if action == "delete":
            self.end_coupon(coupon_id, action)
            return
        coupons[coupon_id]["used_at"] = self.now if action == "use" else None
        self.log(f"coupon_{action}", id=coupon_id)
