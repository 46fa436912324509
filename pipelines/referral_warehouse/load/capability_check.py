"""Checks what this account's API supports: a few requests, each with a result in one line and advice.

Knows no dlt and writes nothing. The loader detects all of this itself; this command reports it beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Filter, Query
from referral_warehouse.errors import ApiUnavailable, RequestRefused
from referral_warehouse.load.clock.observation_clock import TOLERANCE

CLOCK_TOLERANCE_S = 60
LATEST = datetime(9900, 1, 1, tzinfo=UTC)
COUPON_LIST = Query("coupons")
WITHOUT_IDS = "the loader pages by number and checks totals; only sweeps find changes of users that leave no date"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``referrals check``. ``state`` is ``ok``, ``note`` (works in another way) or ``problem``."""

    state: str
    subject: str
    text: str


def probe(client: Client, paginator: Paginator, now: datetime, *, simulated: bool = False) -> Iterator[Finding]:
    """Check what the API supports (about a dozen GET requests). ``simulated``: the server has simulated time.

    Raises: AuthenticationError when the token is not accepted, ApiUnavailable when the API cannot be reached.
    """
    campaigns = paginator.fetch_page(Query("campaigns", per_page=None))
    yield Finding("ok", "token", "accepted; the plan includes the API")
    server = campaigns.server_time
    yield _clock(server, now, simulated)
    users = Query("users", relations=("coupon",), order="id")
    first = paginator.fetch_page(users)
    total = first.total
    yield Finding("ok" if total is not None else "note", "totals", _totals(total))
    if not first.rows:
        yield Finding("note", "users", "there are none yet: filters, order and coupons cannot be checked")
        return
    yield _checked_filter(
        "date filters", "the loader reads whole lists instead", lambda: _no_rows_after(paginator, now)
    )
    yield _checked_filter("id filters", WITHOUT_IDS, lambda: _ids_filtered(paginator, users))
    yield _checked_filter("order", WITHOUT_IDS, lambda: _ordered(paginator, users))
    yield _checked_filter(
        "date filter of rewards issued",
        "every sync reads all rewards issued",
        lambda: _no_issues_after(paginator, now),
    )
    yield _checked_filter(
        "status filter of rewards issued",
        "rewards in process are read by their ids",
        lambda: not paginator.fetch_page(_issued("status", "equal", "No Such Status")).rows,
    )
    size = paginator.fetch_page(replace(users, per_page=2, relations=()))
    kept = len(size.rows) <= 2
    yield Finding("ok" if kept else "note", "per_page", "honoured" if kept else f"ignored: pages have {len(size.rows)}")
    is_included = any(isinstance(row, dict) and "coupon" in row for row in first.rows)
    yield Finding("ok" if is_included else "problem", "coupons with users", _coupons(is_included=is_included))
    try:
        listed = client.get(COUPON_LIST)
        has_list = isinstance(listed.payload.get("data"), list)
    except (RequestRefused, ApiUnavailable):
        has_list = False
    yield Finding("note" if has_list else "ok", "coupon list", _coupon_list(has_list=has_list))


def _clock(server: datetime | None, now: datetime, simulated: bool) -> Finding:
    if server is None:
        return Finding("note", "clock", "the server sends no readable Date: this machine's clock is used")
    off_s = abs((now - server).total_seconds())
    sent = f"the server sends {server.isoformat(sep=' ', timespec='seconds').removesuffix('+00:00')} UTC"
    if simulated:
        return Finding("ok", "clock", f"{sent}: simulated time, used as it is")
    text = f"{sent}, {off_s:.0f} s from this machine's clock"
    if off_s > TOLERANCE.total_seconds():
        return Finding(
            "problem", "clock", f"{text}: this machine's clock is used; set the one that is wrong (`date -u`)"
        )
    return Finding("ok" if off_s <= CLOCK_TOLERANCE_S else "note", "clock", f"{text}; the server's time is used")


def _checked_filter(subject: str, otherwise: str, check: Callable[[], bool]) -> Finding:
    try:
        is_supported = check()
    except RequestRefused as refused:
        return Finding("note", subject, f"refused (HTTP {refused.status}): {otherwise}")
    return Finding("ok", subject, "honoured") if is_supported else Finding("note", subject, f"ignored: {otherwise}")


def _no_rows_after(paginator: Paginator, now: datetime) -> bool:
    return not paginator.fetch_page(Query("users", filters=(Filter("date", "gte", _far(now)),), per_page=1)).rows


def _no_issues_after(paginator: Paginator, now: datetime) -> bool:
    return not paginator.fetch_page(_issued("issued_at", "gte", _far(now))).rows


def _issued(field: str, operator: str, value: str) -> Query:
    return Query("rewards/issued", filters=(Filter(field, operator, value),), per_page=1)


def _far(now: datetime) -> str:
    """A day ten years ahead. Bounded: a server's clock may be at the last possible date."""
    return (min(now.astimezone(UTC), LATEST) + timedelta(days=3650)).date().isoformat()


def _ids_filtered(paginator: Paginator, users: Query) -> bool:
    newest = max(paginator.fetch_page(replace(users, direction="desc", per_page=1, relations=())).ids(), default=0)
    above = paginator.fetch_page(replace(users, relations=(), per_page=1).where(Filter("id", "gt", newest)))
    return all(identifier > newest for identifier in above.ids())


def _ordered(paginator: Paginator, users: Query) -> bool:
    rising = paginator.fetch_page(replace(users, relations=())).ids()
    falling = paginator.fetch_page(replace(users, direction="desc", relations=())).ids()
    return rising == sorted(rising) and falling == sorted(falling, reverse=True)


def _totals(total: int | None) -> str:
    return f"{total:,} users" if total is not None else "the lists report no totals: counts cannot be compared"


def _coupons(*, is_included: bool) -> str:
    if is_included:
        return "sent with their users"
    return "not sent with users: the coupons table stays empty; ask the vendor's support for `with[]=coupon` on users"


def _coupon_list(*, has_list: bool) -> str:
    if has_list:
        return "there is one at /coupons, which is not documented; every sync reads it"
    return "none, as documented: coupons are returned with their users; for unassigned ones, see COUPON_NAMES_FILE"
