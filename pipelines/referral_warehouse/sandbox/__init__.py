"""The sandbox: the documented API as a real server, the test mode the vendor does not have.

It is written from the API documentation alone and shares no code with the client, so that a misreading cannot pass on
both sides; it imports nothing from the other rooms.

What it decides where the documentation is silent (frankly, so that nobody takes it for the vendor's word):

- *Times.* Users and issued rewards carry ``2023-12-04T12:35:17.000000Z``; coupons and batches carry plain days
  (``2022-09-01``), because their documented type is "date". Times have whole seconds.
- *Days in filters.* A plain day means the whole day: ``gt 2021-12-31`` begins on the first of January, as the
  documentation's "qualified in January" example needs. ``lte_loses_day`` gives the midnight reading instead.
- *The clock stands still* between acts. An act moves it by one second, ``advance`` by days; reading never moves it.
- *Rewards.* Every reward unit belongs to the referral that earned it. Un-qualifying takes back a unit that is still
  due; qualifying again gives no second unit for what was issued. Deleting a referral leaves its referrer what was
  earned. Rewards due show the reward's present price; issued rows keep the price, name and e-mail of their issuing.
- *Qualifying.* 40 % of the referrals ever qualify, after twelve days in the mean (exponential), in the seeded past as
  on each day that is played: a forecast from the past can be held against the days that follow.
- *Coupons.* A user holds at most one. Deleting the user frees the coupon (``referral_id`` null, ``issued_at`` kept).
  Un-qualifying through a coupon clears its ``used_at``.
- *Asking.* More than 250 rows a page, unknown fields, operators, relations and parameters are refused with 400.
- *Single users* carry ``rewards_due`` and ``rewards_issued``, created and updated ones ``campaign`` and ``referrer``,
  whether asked for or not: the documentation's samples do.

The names below are imported when they are first used: the server needs Starlette and uvicorn (the extra ``sandbox``),
the list of traps needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from referral_warehouse.sandbox.domain.store import NoSuchRow
    from referral_warehouse.sandbox.quirks import Traps
    from referral_warehouse.sandbox.server import Sandbox, serve
    from referral_warehouse.sandbox.service import Call

__all__ = ["Call", "NoSuchRow", "Sandbox", "Traps", "serve"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from referral_warehouse.sandbox import quirks, server, service
    from referral_warehouse.sandbox.domain import store

    found = {
        "Call": service.Call, "NoSuchRow": store.NoSuchRow, "Sandbox": server.Sandbox, "Traps": quirks.Traps,
        "serve": server.serve,
    }  # fmt: skip
    globals().update(found)
    return found[name]
