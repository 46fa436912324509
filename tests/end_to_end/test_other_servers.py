"""Servers that implement the documentation differently: responses of frameworks to requests that they do not accept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import duckdb
import pytest

from referral_warehouse.errors import IncompleteList, RequestRefused
from referral_warehouse.sandbox import Quirks, Sandbox
from referral_warehouse.settings import Settings
from tests.end_to_end.fronting import FrontServer, OwnAnswer
from tests.end_to_end.load_truth import SleepClock, differences, run, unexpected_rows
from tests.sampling import sampled

Parameters = dict[str, str]
SERVER_ERROR = (500, b'{"message": "Server Error"}')
INVALID = (422, b'{"message": "The given data was invalid.", "errors": {"field": ["The selected field is invalid."]}}')
BAD_REQUEST = (400, b"<html><head><title>400 Bad Request</title></head><body><h1>Bad Request</h1></body></html>")
NOT_FOUND = (404, b'{"message": "Not Found"}')


def filters_on(*fields: str) -> Callable[[str, Parameters], bool]:
    return lambda _path, asked: any(
        name.endswith("[field]") and name.startswith("filters") and value in fields for name, value in asked.items()
    )


def orders(path: str, asked: Parameters) -> bool:
    return path == "rewards/due" and "order[field]" in asked


def asks_too_many(_path: str, asked: Parameters) -> bool:
    return int(asked.get("per_page", "1")) > 100


def names_the_coupon(_path: str, asked: Parameters) -> bool:
    return asked.get("with[]") == "coupon"


def names_a_coupon(path: str, _asked: Parameters) -> bool:
    return path.startswith("coupons/")


def own(matches: Callable[[str, Parameters], bool], answer: tuple[int, bytes]) -> OwnAnswer:
    return lambda path, asked: answer if matches(path, asked) else None


@pytest.mark.parametrize(
    ("matches", "answer"),
    sampled([
        (filters_on("id"), SERVER_ERROR),
        (filters_on("id"), BAD_REQUEST),
        (filters_on("qualified", "unsubscribed"), SERVER_ERROR),
        (filters_on("qualified", "unsubscribed"), INVALID),
        (filters_on("status"), INVALID),
        (filters_on("date", "qualified_at", "unsubscribed_at", "issued_at"), SERVER_ERROR),
        (orders, SERVER_ERROR),
        (orders, INVALID),
        (asks_too_many, INVALID),
    ], 2),
)  # fmt: skip
def test_what_a_server_does_not_accept_is_requested_in_another_way(
    empty: Settings, matches: Callable[[str, Parameters], bool], answer: tuple[int, bytes]
) -> None:
    clock = SleepClock()
    with (
        Sandbox(users=400, seed=9, calls_per_minute=0) as sandbox,
        FrontServer(sandbox.base_url, own(matches, answer)) as at,
    ):
        settings = replace(empty, base_url=at.base_url)
        run(settings, clock)
        assert differences(settings.load_path, sandbox) == []
        sandbox.advance(1)
        sandbox.delete_user(sandbox.rows("users")[100]["id"])
        run(settings, clock)
        assert differences(settings.load_path, sandbox) == []


@pytest.mark.parametrize("answer", sampled([(SERVER_ERROR,), (INVALID,)], 1))
def test_users_come_without_coupons_where_the_relation_is_unknown(empty: Settings, answer: tuple[int, bytes]) -> None:
    with (
        Sandbox(users=300, seed=9, calls_per_minute=0) as sandbox,
        FrontServer(sandbox.base_url, own(names_the_coupon, answer)) as at,
    ):
        settings = replace(empty, base_url=at.base_url)
        report = run(settings, SleepClock())
        assert differences(settings.load_path, sandbox, without={"coupons"}) == []
        assert "does not send coupons" in report.streams["coupons"].notes[0]


@pytest.mark.parametrize("answer", sampled([(BAD_REQUEST,), (NOT_FOUND,)], 1))
def test_a_coupon_that_cannot_be_named_costs_only_its_batch(empty: Settings, answer: tuple[int, bytes]) -> None:
    with (
        Sandbox(users=300, seed=9, calls_per_minute=0) as sandbox,
        FrontServer(sandbox.base_url, own(names_a_coupon, answer)) as at,
    ):
        settings = replace(empty, base_url=at.base_url)
        report = run(settings, SleepClock())
        found = differences(
            settings.load_path,
            sandbox,
            lambda stream, row: row | {"batch_name": None, "campaign_id": None} if stream == "coupons" else row,
        )
        assert found == []
        assert "could not be requested" in report.streams["coupons"].notes[0]


NO_COUPONS = {"data": [], "links": {}, "meta": {"total": 0, "last_page": 1}}
SOME_COUPON = {"id": 10**6, "name": "ONE", "referral_id": None, "batch_id": 1, "issued_at": None, "used_at": None}
LISTS = {
    "an empty list": (200, json.dumps(NO_COUPONS).encode()),
    "names alone": (200, json.dumps({"data": [{"id": 1, "name": "ONE"}], "meta": {"total": 1}}).encode()),
    "some coupons": (200, json.dumps({"data": [SOME_COUPON], "meta": {"total": 1}}).encode()),
    "not for this token": (403, b'{"code": 403, "message": "Forbidden"}'),
    "one object": (200, b'{"data": {"id": 1, "name": "ONE"}}'),
}


@pytest.mark.parametrize("answer", sampled(((answer,) for answer in LISTS.values()), 1), ids=LISTS)
def test_a_response_at_coupons_that_is_no_complete_list_deletes_none(
    empty: Settings, answer: tuple[int, bytes]
) -> None:
    with (
        Sandbox(users=300, seed=5, calls_per_minute=0) as sandbox,
        FrontServer(sandbox.base_url, own(lambda path, _asked: path == "coupons", answer)) as at,
    ):
        settings = replace(empty, base_url=at.base_url)
        for day in range(2):
            run(settings, SleepClock())
            found = differences(settings.load_path, sandbox)
            assert [text for text in found if "should not be there: [1000000]" not in text] == [], day
            sandbox.wait(60)
        with duckdb.connect(str(settings.load_path), read_only=True) as connection:
            assert connection.execute("select id from raw.observations where stream = 'coupons'").fetchall() == []


def test_a_list_the_plan_does_not_have_is_a_refusal_and_the_others_can_be_chosen(empty: Settings) -> None:
    lacks_issued = own(lambda path, _asked: path == "rewards/issued", NOT_FOUND)
    with Sandbox(users=100, seed=9, calls_per_minute=0) as sandbox, FrontServer(sandbox.base_url, lacks_issued) as at:
        settings = replace(empty, base_url=at.base_url)
        with pytest.raises(RequestRefused, match="rewards/issued"):
            run(settings, SleepClock())
        assert unexpected_rows(settings.load_path, sandbox) == []
        run(settings, SleepClock(), ("users", "coupons", "campaigns", "rewards", "rewards_due"))
        assert differences(settings.load_path, sandbox, without={"rewards_issued"}) == []


def test_an_empty_response_without_a_total_deletes_no_user(empty: Settings) -> None:
    state: dict[str, Any] = {"empty": False}

    def hollow(path: str, _asked: Parameters) -> tuple[int, bytes] | None:
        return (200, b'{"data": []}') if path == "users" and state["empty"] else None

    with Sandbox(users=60, seed=9, calls_per_minute=0) as sandbox, FrontServer(sandbox.base_url, hollow) as at:
        settings = replace(empty, base_url=at.base_url)
        run(settings, SleepClock())
        state["empty"] = True
        with pytest.raises(IncompleteList, match="users"):
            run(settings, SleepClock())
        assert differences(settings.load_path, sandbox) == []


@pytest.mark.parametrize(
    ("quirks", "count"),
    sampled(
        product([Quirks(), Quirks(no_meta=True), Quirks(data_as_object=True), Quirks(refuse_id_filters=True)], [0, 1]),
        1,
    ),
)
def test_an_account_with_no_user_or_one_is_loaded_and_grows(empty: Settings, count: int, quirks: Quirks) -> None:
    with Sandbox(users=count, seed=9, calls_per_minute=0, quirks=quirks) as sandbox:
        settings = replace(empty, base_url=sandbox.base_url)
        run(settings, SleepClock())
        assert differences(settings.load_path, sandbox) == []
        sandbox.add_user(sandbox.rows("campaigns")[0]["id"])
        sandbox.wait(60)
        run(settings, SleepClock())
        assert differences(settings.load_path, sandbox) == []


def test_an_account_without_anything_is_loaded(empty: Settings) -> None:
    nothing = json.dumps({"data": [], "links": {}, "meta": {"total": 0, "last_page": 1}}).encode()
    with (
        Sandbox(users=0, seed=9, calls_per_minute=0) as sandbox,
        FrontServer(sandbox.base_url, lambda _path, _asked: (200, nothing)) as at,
    ):
        settings = replace(empty, base_url=at.base_url, simulated_time=False)  # it sends no Date at all
        for _ in range(2):
            report = run(settings, SleepClock())
            assert report.rows_written == 0
        with duckdb.connect(str(settings.load_path), read_only=True) as connection:
            assert connection.execute("select count(*) from raw.campaigns").fetchall() == [(0,)]
