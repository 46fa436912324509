"""Rules for people: they join, refer, qualify, un-qualify, unsubscribe, change and are deleted.

Only these functions update counts and rewards as a consequence. Knows neither HTTP nor randomness.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from referral_warehouse.sandbox.domain import rewards
from referral_warehouse.sandbox.domain.store import NoSuchRow, Store, stamp

SHARE_HOST = "https://friends.example.com"
_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def code_of(seed: str, user_id: int) -> str:
    """The unique code of a user. It looks random, but depends on the seed and the id alone."""
    number = int.from_bytes(hashlib.blake2b(f"{seed}:{user_id}".encode(), digest_size=8).digest(), "big")
    letters = []
    for _ in range(8):
        number, at = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[at])
    return "".join(letters)


def add_user(
    store: Store,
    campaign_id: int,
    first_name: str,
    email: str,
    *,
    referrer_id: int | None = None,
    source: str | None = None,
    meta: str = "{}",
    joined_at: datetime | None = None,
) -> int:
    """Add a user to a campaign; the referrer's count grows and rewards for inviting become due.

    ``meta`` is JSON text; ``joined_at`` may lie in the past, as in rows that are committed late.
    Raises: NoSuchRow when the campaign does not exist or the referrer is not in it.
    """
    store.must("campaign", "select id from campaigns where id = ?", campaign_id)
    if referrer_id is not None:
        referrer = store.must("user", "select campaign_id from users where id = ?", referrer_id)
        if referrer[0] != campaign_id:
            raise NoSuchRow(f"User {referrer_id} is not in campaign {campaign_id}.")
    user_id = store.number("select seq from sqlite_sequence where name = 'users'") + 1
    code = code_of(store.state("seed", "0"), user_id)
    store.run(
        "insert into users (id, campaign_id, referrer_id, first_name, email, code, url, source, date, meta) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        user_id,
        campaign_id,
        referrer_id,
        first_name,
        email,
        code,
        f"{SHARE_HOST}/{code}",
        source or ("Direct" if referrer_id is None else "Referred"),
        stamp(joined_at or store.now),
        meta,
    )
    store.log("user_joined", user_id=user_id, campaign_id=campaign_id, recipient_id=referrer_id)
    if referrer_id is not None:
        store.run("update users set referrals_count = referrals_count + 1 where id = ?", referrer_id)
        rewards.accrue(store, campaign_id, "invited", user_id, referrer_id)
    store.notify("user.created", user_id)
    return user_id


def qualify(store: Store, user_id: int, at: datetime | None = None) -> bool:
    """Mark a user as qualified; returns whether that is new.

    Raises: NoSuchRow.
    """
    campaign_id, referrer_id, qualified = _person(store, user_id)
    if qualified:
        return False
    store.run("update users set qualified = 1, qualified_at = ? where id = ?", stamp(at or store.now), user_id)
    store.log("user_qualified", user_id=user_id, campaign_id=campaign_id, recipient_id=referrer_id)
    if referrer_id is not None:
        _count_converted(store, referrer_id, 1)
        rewards.accrue(store, campaign_id, "converted", user_id, referrer_id)
    store.notify("user.qualified", user_id)
    return True


def unqualify(store: Store, user_id: int) -> bool:
    """Revoke a qualification; units not yet issued are no longer due. Returns whether anything changed.

    Raises: NoSuchRow.
    """
    campaign_id, referrer_id, qualified = _person(store, user_id)
    if not qualified:
        return False
    store.run("update users set qualified = 0, qualified_at = null where id = ?", user_id)
    store.log("user_unqualified", user_id=user_id, campaign_id=campaign_id, recipient_id=referrer_id)
    if referrer_id is not None:
        _count_converted(store, referrer_id, -1)
    rewards.reverse(store, user_id)
    return True


def unsubscribe(store: Store, user_id: int) -> bool:
    """Unsubscribe a user from notifications. Returns whether that is new.

    Raises: NoSuchRow.
    """
    campaign_id, _, _ = _person(store, user_id)
    if store.number("select unsubscribed from users where id = ?", user_id):
        return False
    store.run("update users set unsubscribed = 1, unsubscribed_at = ? where id = ?", stamp(store.now), user_id)
    store.log("user_unsubscribed", user_id=user_id, campaign_id=campaign_id)
    return True


def edit_user(
    store: Store, user_id: int, first_name: str | None = None, email: str | None = None, meta: str | None = None
) -> None:
    """Change a name, an e-mail address or the form's answers; no date records the change.

    Raises: NoSuchRow.
    """
    campaign_id, _, _ = _person(store, user_id)
    changes: dict[str, Any] = {
        name: value
        for name, value in (("first_name", first_name), ("email", email), ("meta", meta))
        if value is not None
    }
    for name, value in changes.items():
        store.run(f"update users set {name} = ? where id = ?", value, user_id)
    store.log("user_edited", user_id=user_id, campaign_id=campaign_id, detail=changes)


def grow_reach(store: Store, user_id: int, views: int = 1) -> None:
    """Count more views of a user's link, and of the campaign.

    Raises: NoSuchRow.
    """
    campaign_id, _, _ = _person(store, user_id)
    store.run("update users set reach = reach + ? where id = ?", views, user_id)
    store.run("update campaigns set reach = reach + ? where id = ?", views, campaign_id)
    store.log("reach_grown", user_id=user_id, campaign_id=campaign_id, count=views)


def delete_user(store: Store, user_id: int) -> None:
    """Delete a user and the units due to them; issued rewards and the people they referred remain.

    Raises: NoSuchRow.
    """
    campaign_id, referrer_id, qualified = _person(store, user_id)
    if referrer_id is not None:
        store.run("update users set referrals_count = referrals_count - 1 where id = ?", referrer_id)
        if qualified:
            _count_converted(store, referrer_id, -1)
    rewards.drop_dues(store, user_id)
    store.run("update coupons set referral_id = null where referral_id = ?", user_id)
    store.run("delete from users where id = ?", user_id)
    store.log("user_deleted", user_id=user_id, campaign_id=campaign_id, recipient_id=referrer_id)


def set_campaign_status(store: Store, campaign_id: int, status: str) -> None:
    """Pause or launch a campaign.

    Raises: NoSuchRow.
    """
    before = store.must("campaign", "select status from campaigns where id = ?", campaign_id)
    if before[0] == status:
        return
    store.run("update campaigns set status = ? where id = ?", status, campaign_id)
    refresh_live(store)
    store.log(f"campaign_{status}", campaign_id=campaign_id, detail={"before": before[0]})


def refresh_live(store: Store) -> None:
    """Update which campaigns are live: launched, and the time is between start and end."""
    store.run(
        "update campaigns set live = (status = 'launched' and coalesce(starts_at <= ?1, 1) "
        "and coalesce(ends_at > ?1, 1))",
        stamp(store.now),
    )


def _person(store: Store, user_id: int) -> tuple[int, int | None, bool]:
    row = store.must("user", "select campaign_id, referrer_id, qualified from users where id = ?", user_id)
    return row[0], row[1], bool(row[2])


def _count_converted(store: Store, referrer_id: int, change: int) -> None:
    store.run(
        "update users set converted_referrals_count = converted_referrals_count + ? where id = ?", change, referrer_id
    )
