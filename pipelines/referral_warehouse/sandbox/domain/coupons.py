"""Rules for coupons: they are uploaded, issued to people, used and deleted; using one qualifies its holder."""

from __future__ import annotations

from referral_warehouse.sandbox.domain import people
from referral_warehouse.sandbox.domain.store import NoSuchRow, Store


def add_coupon(store: Store, name: str, batch_id: int) -> int:
    """Upload one more coupon into a batch.

    Raises: NoSuchRow when the batch does not exist, ValueError when the name is taken or empty.
    """
    campaign_id = store.must("batch", "select campaign_id from batches where id = ?", batch_id)[0]
    if not name or store.one("select 1 from coupons where name = ?", name):
        raise ValueError(f"A coupon's name must be unique and not empty: {name!r}.")
    coupon_id = store.run("insert into coupons (name, batch_id) values (?, ?)", name, batch_id)
    store.log("coupon_added", coupon_id=coupon_id, campaign_id=campaign_id)
    return coupon_id


def issue_coupon(store: Store, user_id: int, coupon_id: int | None = None) -> int:
    """Give a user a coupon, the next free one of the campaign unless one is named.

    Raises: NoSuchRow when there is no such user or no free coupon, ValueError when the user holds one already.
    """
    campaign_id = store.must("user", "select campaign_id from users where id = ?", user_id)[0]
    if store.one("select 1 from coupons where referral_id = ?", user_id):
        raise ValueError(f"User {user_id} holds a coupon already.")
    if coupon_id is None:
        free = store.one(
            "select min(id) from coupons where issued_at is null "
            "and batch_id in (select id from batches where campaign_id = ?) having min(id) is not null",
            campaign_id,
        )
    else:
        free = store.one("select id from coupons where id = ? and issued_at is null", coupon_id)
    if free is None:
        raise NoSuchRow(f"Campaign {campaign_id} has no free coupon, or coupon {coupon_id} is not free.")
    store.run("update coupons set referral_id = ?, issued_at = ? where id = ?", user_id, _today(store), free[0])
    store.log("coupon_issued", coupon_id=free[0], user_id=user_id, campaign_id=campaign_id)
    return int(free[0])


def use_coupon(store: Store, coupon_id: int) -> bool:
    """Redeem a coupon, which qualifies its holder; returns whether anything changed.

    Raises: NoSuchRow when the coupon does not exist or nobody holds it.
    """
    user_id, used_at = _holder(store, coupon_id)
    if used_at is None:
        store.run("update coupons set used_at = ? where id = ?", _today(store), coupon_id)
        store.log("coupon_used", coupon_id=coupon_id, user_id=user_id)
    return people.qualify(store, user_id) or used_at is None


def return_coupon(store: Store, coupon_id: int) -> None:
    """Undo a redemption: the coupon is unused again and its holder no longer qualified.

    Raises: NoSuchRow when the coupon does not exist or nobody holds it.
    """
    user_id, used_at = _holder(store, coupon_id)
    if used_at is not None:
        store.run("update coupons set used_at = null where id = ?", coupon_id)
        store.log("coupon_returned", coupon_id=coupon_id, user_id=user_id)
    people.unqualify(store, user_id)


def delete_coupon(store: Store, coupon_id: int) -> None:
    """Remove a coupon from its batch.

    Raises: NoSuchRow.
    """
    user_id = store.must("coupon", "select referral_id from coupons where id = ?", coupon_id)[0]
    store.run("delete from coupons where id = ?", coupon_id)
    store.log("coupon_deleted", coupon_id=coupon_id, user_id=user_id)


def _holder(store: Store, coupon_id: int) -> tuple[int, str | None]:
    user_id, used_at = store.must("coupon", "select referral_id, used_at from coupons where id = ?", coupon_id)
    if user_id is None:
        raise NoSuchRow(f"Coupon {coupon_id} is not issued to anybody.")
    return user_id, used_at


def _today(store: Store) -> str:
    return f"{store.now:%Y-%m-%d}"
