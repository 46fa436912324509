"""Every quirk of the sandbox against the real client and loader: all rows are exact, or a typed error refuses them.

One row per case in ``CASES``; a quirk without a case fails. Each case loads an account of several pages, simulates
days, and loads again, with the quirk on all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from referral_warehouse.errors import (
    ApiUnavailable,
    AuthenticationError,
    BadEnvelope,
    ProtectiveStop,
    ReferralsError,
    RequestRefused,
)
from referral_warehouse.sandbox import Quirks, Sandbox
from referral_warehouse.settings import Settings
from tests.end_to_end.load_truth import Row, SleepClock, differences, run, unexpected_rows
from tests.sampling import sampled

USERS = 600
Shape = Callable[[str, Row], Row]


def as_it_is(_stream: str, row: Row) -> Row:
    return row


@dataclass(frozen=True)
class Case:
    """What is expected with some quirks.

    Attributes:
        error: the error that the load ends with.
        shape: how the quirk changes the rows.
        without: streams that stay empty, with a note.
        settle: whether equality needs another load without changes.
        budget: whether the sandbox's rate limit is on.
        once: whether only the first load is tested, because other cases cover the later ones.
    """

    quirks: dict[str, Any]
    error: type[ReferralsError] | None = None
    shape: Shape = as_it_is
    without: frozenset[str] = frozenset()
    settle: bool = False
    budget: bool = False
    once: bool = False


def case(error: type[ReferralsError] | None = None, **quirks: Any) -> Case:
    return Case(quirks, error)


def once(shape: Shape = as_it_is, **quirks: Any) -> Case:
    return Case(quirks, shape=shape, once=True)


def shown(shape: Shape, **quirks: Any) -> Case:
    return Case(quirks, shape=shape)


def without_value(stream: str, row: Row) -> Row:
    name, reward = {"rewards": ("value", "id")}.get(stream, ("reward_value", "reward_id"))
    return row | {name: None} if name in row and row[reward] % 2 == 0 else row


def with_days_only(stream: str, row: Row) -> Row:
    return {name: value[:10] if name in TIMES and value else value for name, value in row.items()}


def with_hours_less(_stream: str, row: Row) -> Row:
    if "date" not in row:
        return row
    return row | {"date": (datetime.fromisoformat(row["date"]) - timedelta(hours=9)).replace(tzinfo=None)}


TIMES = {"date", "qualified_at", "unsubscribed_at", "starts_at", "ends_at", "issued_at"}
NO_COUPONS = frozenset({"coupons"})
CASES: dict[str, list[Case]] = {
    "ignore_unknown_parameters": [case(ignore_unknown_parameters=True)],
    "ignore_filters": [case(ignore_filters=True)],
    "ignore_filter_field": [
        case(ignore_filter_field=name) for name in ("id", "date", "qualified_at", "issued_at", "qualified", "status")
    ],
    "refuse_id_filters": [case(refuse_id_filters=True), once(refuse_id_filters=True, validation_422=True)],
    "ignore_order": [case(ignore_order=True), case(ignore_order=True, ignore_filters=True)],
    "unstable_order": [case(unstable_order=True)],
    "ignore_per_page": [case(ignore_per_page=True)],
    "per_page_users_only": [case(per_page_users_only=True)],
    "clamp_per_page": [case(clamp_per_page=True)],
    "oversize_pages": [case(oversize_pages=7)],
    "coupon_relation": [
        Case({"coupon_relation": "refused"}, without=NO_COUPONS),
        Case({"coupon_relation": "ignored"}, without=NO_COUPONS),
    ],
    "coupon_list": [case(coupon_list=True)],
    "text_time_filters": [case(text_time_filters=True)],
    "lte_loses_day": [case(lte_loses_day=True)],
    "date_shift_hours": [shown(with_hours_less, date_shift_hours=9)],
    "timestamps": [
        once(timestamps="space"),
        once(timestamps="offset"),
        shown(with_days_only, timestamps="day"),
    ],
    "links_keep_query": [case(links_keep_query=True)],
    "no_meta": [case(no_meta=True)],
    "no_total": [case(no_total=True), case(no_total=True, ignore_order=True)],
    "data_as_object": [case(data_as_object=True)],
    "validation_422": [case(validation_422=True)],
    "html_errors": [case(html_errors=True), once(html_errors=True, refuse_id_filters=True)],
    "ids_as_strings": [case(ids_as_strings=True)],
    "numbers_as_strings": [case(numbers_as_strings=True)],
    "reward_id_as_string": [case(reward_id_as_string=True)],
    "booleans_as": [case(booleans_as="int"), once(booleans_as="text")],
    "null_values": [shown(without_value, null_values=True)],
    "meta_shape": [
        once(lambda _, row: row | {"meta": []} if "meta" in row else row, meta_shape="list"),
        shown(
            lambda _, row: (
                row | {"meta": [{"field": k, "value": v} for k, v in dict(row["meta"] or {}).items()]}
                if "meta" in row
                else row
            ),
            meta_shape="pairs",
        ),
    ],
    "sharing_as_object": [
        shown(
            lambda _, row: (
                row | {"sharing": {item["social"]: item["url"] for item in row["sharing"]}} if "sharing" in row else row
            ),
            sharing_as_object=True,
        )
    ],
    "extra_fields": [shown(lambda _, row: row | {"_has_extra": True}, extra_fields=True)],
    "vanished_field": [
        shown(lambda stream, row: row | {"code": None} if stream == "users" else row, vanished_field="users.code"),
        case(BadEnvelope, vanished_field="users.email"),
        case(BadEnvelope, vanished_field="users.id"),
        case(BadEnvelope, vanished_field="rewards_due.total_due"),
    ],
    "new_sources": [case(new_sources=True)],
    "bad_json_every": [case(bad_json_every=4), case(ApiUnavailable, bad_json_every=1)],
    "bad_json_kind": [once(bad_json_every=5, bad_json_kind=kind) for kind in ("truncated", "html", "empty")],
    "fail_every": [case(fail_every=4), case(ApiUnavailable, fail_every=1)],
    "fail_status": [
        case(fail_every=4, fail_status=503),
        case(RequestRefused, fail_every=4, fail_status=404),
        case(ApiUnavailable, fail_every=4, fail_status=501),
    ],
    "throttle_every": [case(throttle_every=26), case(ProtectiveStop, throttle_every=5)],
    "retry_after": [once(throttle_every=11, retry_after=word) for word in ("seconds", "date", "zero", "absent")],
    "slow_every": [case(slow_every=7, slow_s=0.05)],
    "slow_s": [once(slow_every=3, slow_s=0.02)],
    "reset_every": [case(reset_every=4)],
    "reset_in_body": [once(reset_every=4, reset_in_body=True)],
    "redirect_to": [case(RequestRefused, redirect_to="https://elsewhere.example.com")],
    "token_expires_after": [case(AuthenticationError, token_expires_after=5)],
    "blocked": [case(ProtectiveStop, blocked=True)],
    "no_rate_headers": [Case({"no_rate_headers": True}, budget=True)],
    "sliding_window": [Case({"sliding_window": True}, budget=True)],
    "others_spend": [Case({"others_spend": 20}, budget=True)],
    "shift_every": [
        Case({"shift_every": 2}, settle=True),
        Case({"shift_every": 1}, settle=True),
        Case({"shift_every": 5}, settle=True),
        *(Case({"shift_every": every, "ignore_per_page": True}, settle=True) for every in (2, 3, 5)),
        Case({"shift_every": 3, "ignore_order": True}, settle=True),
        Case({"shift_every": 5, "ignore_filters": True}, settle=True),
        Case({"shift_every": 3, "refuse_id_filters": True}, settle=True),
    ],
}


def test_every_quirk_has_a_case() -> None:
    assert sorted(CASES) == sorted(spec.name for spec in fields(Quirks))
    for name, cases in CASES.items():
        assert all(name in one.quirks for one in cases), name


def named(one: Case) -> str:
    return " ".join(f"{name}={value}" for name, value in one.quirks.items())


@pytest.mark.parametrize("one", sampled((one for cases in CASES.values() for one in cases), 3), ids=named)
def test_a_quirk_changes_nothing_or_is_refused(one: Case, empty: Settings) -> None:
    clock = SleepClock()
    quirks = Quirks().changed(one.quirks)
    with Sandbox(
        users=USERS, seed=5, calls_per_minute=600 if one.budget else 0, quirks=quirks, limiter_clock=clock.seconds
    ) as sandbox:
        settings = replace(empty, base_url=sandbox.base_url, calls_per_minute=540 if one.budget else 0)
        if one.error is not None:
            with pytest.raises(one.error):
                run(settings, clock)
            assert unexpected_rows(settings.load_path, sandbox) == []
            sandbox.set_quirks(Quirks())
            (settings.warehouse_dir.parent / "machine").rename(settings.warehouse_dir.parent / "forgiven")
            run(settings, clock)
            assert differences(settings.load_path, sandbox) == []
            return
        reports = [run(settings, clock)]
        if not one.settle:
            assert differences(settings.load_path, sandbox, one.shape, one.without) == []
        if one.once:
            return
        sandbox.advance(2)
        sandbox.delete_user(sandbox.rows("users")[USERS // 2]["id"])
        reports.append(run(settings, clock))
        if one.settle:
            sandbox.set_quirks(Quirks())
            sandbox.delete_user(sandbox.rows("users")[1]["id"])
            reports.append(run(settings, clock))
        assert differences(settings.load_path, sandbox, one.shape, one.without) == []
        for stream in one.without:
            assert reports[-1].streams[stream].notes != []
        assert sandbox.violations == 0
