"""Actions on the account, such as those in the vendor's dashboard, most of which the API does not offer.

Each is one transaction. The rules are in ``people``, ``rewards``, ``coupons`` and ``corrections``; ``Sandbox`` inherits
these methods, and the control endpoints call them.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from referral_warehouse.sandbox.domain import corrections, coupons, people, rewards
from referral_warehouse.sandbox.service import Service

# The actions that other processes can request through the control endpoints.
ACTIONS = (
    "add_user",
    "qualify",
    "unqualify",
    "unsubscribe",
    "delete_user",
    "edit_user",
    "grow_reach",
    "issue",
    "complete",
    "reprice",
    "amend_payout",
    "cancel_payout",
    "fail_payout",
    "rename_reward_type",
    "move_reward",
    "merge_users",
    "add_coupon",
    "issue_coupon",
    "use_coupon",
    "return_coupon",
    "delete_coupon",
    "pause_campaign",
    "launch_campaign",
)


class Actions:
    """Actions on one account, callable from any thread. All raise NoSuchRow (a LookupError) when a row is missing."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._store = service.store

    def add_user(
        self,
        campaign_id: int,
        first_name: str = "Alex",
        email: str = "alex@example.com",
        *,
        referrer_id: int | None = None,
        source: str | None = None,
        meta: str = "{}",
        joined_at: datetime | None = None,
    ) -> int:
        """Add a user; returns the id. ``joined_at`` may lie in the past (a row that is committed late)."""
        with self._store.transaction():
            return people.add_user(
                self._store,
                campaign_id,
                first_name,
                email,
                referrer_id=referrer_id,
                source=source,
                meta=meta,
                joined_at=joined_at,
            )

    def qualify(self, user_id: int, at: datetime | None = None) -> bool:
        """Mark as qualified; returns whether that is new."""
        with self._store.transaction():
            return people.qualify(self._store, user_id, at)

    def unqualify(self, user_id: int) -> bool:
        """Revoke a qualification; returns whether there was one."""
        with self._store.transaction():
            return people.unqualify(self._store, user_id)

    def unsubscribe(self, user_id: int) -> bool:
        """Unsubscribe from notifications; returns whether that is new."""
        with self._store.transaction():
            return people.unsubscribe(self._store, user_id)

    def delete_user(self, user_id: int) -> None:
        """Delete a user and what was due to them."""
        with self._store.transaction():
            people.delete_user(self._store, user_id)

    def edit_user(
        self, user_id: int, first_name: str | None = None, email: str | None = None, meta: str | None = None
    ) -> None:
        """Change name, e-mail address or form answers (JSON text)."""
        with self._store.transaction():
            people.edit_user(self._store, user_id, first_name, email, meta)

    def grow_reach(self, user_id: int, views: int = 1) -> None:
        """Count more views of a user's link."""
        with self._store.transaction():
            people.grow_reach(self._store, user_id, views)

    def issue(self, due_id: int, count: int | None = None, in_process: bool = False) -> int:
        """Issue what is due, all or ``count`` units, at once or in process; returns the issued row's id."""
        with self._store.transaction():
            return rewards.issue(self._store, due_id, count, in_process)

    def complete(self, issued_id: int) -> None:
        """Mark issued units in process as paid."""
        with self._store.transaction():
            rewards.complete(self._store, issued_id)

    def reprice(self, reward_id: int, value: Decimal | int | str) -> None:
        """Change the price of a reward."""
        with self._store.transaction():
            rewards.reprice(self._store, reward_id, value)

    def amend_payout(self, issued_id: int, value: Decimal | int | str) -> None:
        """Change the value of each reward of a payout in process."""
        with self._store.transaction():
            corrections.amend_payout(self._store, issued_id, value)

    def cancel_payout(self, issued_id: int, status: str = "Cancelled") -> None:
        """Cancel a payout in process; its row stays, with this status and without a date."""
        with self._store.transaction():
            corrections.cancel_payout(self._store, issued_id, status)

    def fail_payout(self, issued_id: int) -> None:
        """Undo a dated payout that failed: its row is removed, and the same rewards are due again."""
        with self._store.transaction():
            corrections.fail_payout(self._store, issued_id)

    def rename_reward_type(self, reward_id: int, reward_type: str) -> None:
        """Rename the type of a reward."""
        with self._store.transaction():
            corrections.rename_reward_type(self._store, reward_id, reward_type)

    def move_reward(self, reward_id: int, campaign_id: int) -> None:
        """Move a reward to another campaign."""
        with self._store.transaction():
            corrections.move_reward(self._store, reward_id, campaign_id)

    def merge_users(self, user_id: int, into_id: int) -> None:
        """Move the referrals of one user to another."""
        with self._store.transaction():
            corrections.merge_users(self._store, user_id, into_id)

    def add_coupon(self, name: str, batch_id: int) -> int:
        """Upload a coupon; returns its id."""
        with self._store.transaction():
            return coupons.add_coupon(self._store, name, batch_id)

    def issue_coupon(self, user_id: int, coupon_id: int | None = None) -> int:
        """Give a user a free coupon; returns its id."""
        with self._store.transaction():
            return coupons.issue_coupon(self._store, user_id, coupon_id)

    def use_coupon(self, coupon_id: int) -> bool:
        """Redeem a coupon, which qualifies its holder; returns whether anything changed."""
        with self._store.transaction():
            return coupons.use_coupon(self._store, coupon_id)

    def return_coupon(self, coupon_id: int) -> None:
        """Undo a redemption."""
        with self._store.transaction():
            coupons.return_coupon(self._store, coupon_id)

    def delete_coupon(self, coupon_id: int) -> None:
        """Remove a coupon."""
        with self._store.transaction():
            coupons.delete_coupon(self._store, coupon_id)

    def pause_campaign(self, campaign_id: int) -> None:
        """Pause a campaign."""
        with self._store.transaction():
            people.set_campaign_status(self._store, campaign_id, "paused")

    def launch_campaign(self, campaign_id: int) -> None:
        """Launch a campaign, again or for the first time."""
        with self._store.transaction():
            people.set_campaign_status(self._store, campaign_id, "launched")

    # Time and rows.

    @property
    def now(self) -> datetime:
        """The account's current time, UTC."""
        return self._store.now

    def advance(self, days: int = 1) -> None:
        """Simulate days: people join, refer, qualify, leave; rewards fall due, are issued and reversed."""
        self._service.advance(days)

    def wait(self, seconds: int) -> None:
        """Let time pass in which nothing happens."""
        self._service.wait(seconds)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Every row of campaigns, users, rewards, rewards_due, rewards_issued or coupons, without quirks.

        Shape: money is Decimal, times as in the API, ``meta`` and ``sharing`` Python objects.
        """
        return self._service.rows(name)

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """The event log, in order; ``value`` is a decimal as text."""
        return self._store.events(after)
