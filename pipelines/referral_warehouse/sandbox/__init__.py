"""The sandbox: the documented API as a real server, the test mode the vendor does not have.

It is written from the API documentation alone and shares no code with the client, so that a misreading cannot pass on
both sides; it imports nothing from the other packages.

Its own decisions, where the documentation says nothing:

- *Times.* Users and issued rewards have times like ``2023-12-04T12:35:17.000000Z``; coupons and batches have plain
  days (``2022-09-01``), because their documented type is "date". Times have whole seconds.
- *Days in filters.* A plain day means the whole day: ``gt 2021-12-31`` begins on the first of January, as the
  documentation's "qualified in January" example needs. With the quirk ``lte_loses_day`` it means midnight.
- *The clock* moves only with changes: by one second with an action, by days with ``advance``; reading never moves it.
- *Rewards.* Every reward unit belongs to the referral that earned it. Un-qualifying reverses a unit that is still
  due; qualifying again adds no second unit for one that was issued. When a referral is deleted, its referrer keeps
  the units it earned. Rewards due show the reward's current price; issued rows keep the price, name and e-mail address
  of the time of issue.
- *Qualifying.* 40 % of the referrals ever qualify, after a mean of twelve days (exponential distribution), both in the
  seeded past and on simulated days. A forecast from the past can therefore be compared with the days that follow.
- *Coupons.* A user holds at most one. Deleting the user frees the coupon (``referral_id`` null, ``issued_at`` kept).
  Un-qualifying through a coupon clears its ``used_at``.
- *Queries.* More than 250 rows a page, unknown fields, operators, relations and parameters are refused with 400.
- *Single users* have ``rewards_due`` and ``rewards_issued``, created and updated ones ``campaign`` and ``referrer``,
  even when they are not requested, as in the documentation's samples.

The names below are imported when first used: the server needs Starlette and uvicorn (the extra ``sandbox``), the list
of quirks does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from referral_warehouse.sandbox.domain.store import NoSuchRow
    from referral_warehouse.sandbox.quirks import Quirks
    from referral_warehouse.sandbox.server import Sandbox, serve
    from referral_warehouse.sandbox.service import Call

__all__ = ["Call", "NoSuchRow", "Quirks", "Sandbox", "serve"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from referral_warehouse.sandbox import quirks, server, service
    from referral_warehouse.sandbox.domain import store

    found = {
        "Call": service.Call, "NoSuchRow": store.NoSuchRow, "Sandbox": server.Sandbox, "Quirks": quirks.Quirks,
        "serve": server.serve,
    }  # fmt: skip
    globals().update(found)
    return found[name]
