"""Each quirk of queries, envelopes and changes during reads, off and on."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from referral_warehouse.sandbox import Quirks, Sandbox

QUALIFIED = "filters[0][field]=qualified&filters[0][value]=1"


def off_and_on(sandbox: Sandbox, ask, path: str, **quirks: Any) -> tuple[Any, Any]:
    """The same GET without and with quirks."""
    without = ask(sandbox, "GET", path)
    sandbox.set_quirks(Quirks(**quirks))
    return without, ask(sandbox, "GET", path)


def ids(reply: Any) -> list[Any]:
    return [row["id"] for row in reply.json()["data"]]


def test_every_quirk_has_a_help_sentence_and_is_off_by_default():
    for spec in fields(Quirks):
        text = spec.metadata["help"]
        assert text[0].isupper(), spec.name
        assert text.endswith("."), spec.name
        assert type(spec.default) in (bool, int, float, str), spec.name
        assert spec.default in spec.metadata.get("choices", (spec.default,))
    assert Quirks() == Quirks().changed({})


@pytest.mark.parametrize(
    "values",
    [
        {"slow_every": -1},
        {"retry_after": "soon"},
        {"nonsense": 1},
        {"ignore_order": 1},
        {"fail_every": "2"},
        {"slow_s": "x"},
    ],
)
def test_wrong_quirks_are_refused(values: dict[str, Any]):
    with pytest.raises(ValueError, match=next(iter(values))):
        Quirks().changed(values)


def test_ignore_unknown_parameters(world: Sandbox, ask):
    without, on = off_and_on(world, ask, "/users?campaign_id=5", ignore_unknown_parameters=True)
    assert (without.status_code, on.status_code) == (400, 200)
    assert on.json()["meta"]["total"] == len(world.rows("users"))


def test_ignore_filters(world: Sandbox, ask):
    without, on = off_and_on(world, ask, f"/users?{QUALIFIED}", ignore_filters=True)
    assert without.json()["meta"]["total"] < on.json()["meta"]["total"] == len(world.rows("users"))


def test_ignore_filter_field(world: Sandbox, ask):
    query = f"{QUALIFIED}&filters[1][field]=id&filters[1][operator]=lt&filters[1][value]=30"
    without, on = off_and_on(world, ask, f"/users?{query}", ignore_filter_field="qualified")
    assert len(ids(without)) < len(ids(on)) == sum(row["id"] < 30 for row in world.rows("users")[:25])


def test_refuse_id_filters(world: Sandbox, ask):
    without, on = off_and_on(world, ask, "/users?filters[0][field]=id&filters[0][value]=1", refuse_id_filters=True)
    assert (without.status_code, on.status_code) == (200, 400)
    assert ask(world, "GET", f"/users?{QUALIFIED}").status_code == 200


def test_ignore_order(world: Sandbox, ask):
    without, on = off_and_on(world, ask, "/users?order[field]=id", ignore_order=True)
    assert ids(without) == sorted(ids(without))
    assert ids(on) == sorted(ids(on), reverse=True)


def test_unstable_order(world: Sandbox, ask):
    path = "/users?order[field]=qualified&order[direction]=desc&per_page=250"
    without, on = off_and_on(world, ask, path, unstable_order=True)
    again = ask(world, "GET", path)
    assert ids(on) != ids(again)
    assert [row["qualified"] for row in on.json()["data"]] == [row["qualified"] for row in without.json()["data"]]
    assert ids(ask(world, "GET", "/users?order[field]=id")) == ids(ask(world, "GET", "/users?order[field]=id"))
    assert ids(ask(world, "GET", "/users")) != ids(ask(world, "GET", "/users"))


@pytest.mark.parametrize(
    ("quirks", "users", "due"),
    [
        ({}, 50, 50),
        ({"ignore_per_page": True}, 25, 25),
        ({"per_page_users_only": True}, 50, 25),
        ({"oversize_pages": 3}, 53, 53),
    ],
)
def test_page_sizes(world: Sandbox, ask, quirks: dict[str, Any], users: int, due: int):
    world.set_quirks(Quirks(**quirks))
    for path, size in (("/users", users), ("/rewards/due", due)):
        body = ask(world, "GET", f"{path}?per_page=50").json()
        assert len(body["data"]) == size
        assert body["meta"]["per_page"] == min(size, 50)


def test_clamp_per_page(world: Sandbox, ask):
    without, on = off_and_on(world, ask, "/users?per_page=1000", clamp_per_page=True)
    assert (without.status_code, len(ids(on)), on.json()["meta"]["per_page"]) == (400, 250, 250)


@pytest.mark.parametrize(("word", "status"), [("refused", 400), ("ignored", 200)])
def test_coupon_relation(world: Sandbox, ask, word: str, status: int):
    without, on = off_and_on(world, ask, "/users?with[]=coupon&with[]=campaign", coupon_relation=word)
    assert "coupon" in without.json()["data"][0]
    assert on.status_code == status
    assert "coupon" not in ask(world, "GET", "/users?with=all").json()["data"][0]
    if status == 200:
        assert "coupon" not in on.json()["data"][0]
        assert "campaign" in on.json()["data"][0]


def test_coupon_list(world: Sandbox, ask):
    without, on = off_and_on(world, ask, "/coupons?per_page=250&with=batch", coupon_list=True)
    assert without.status_code == 404
    assert ids(on) == [row["id"] for row in world.rows("coupons")][:250]
    assert on.json()["data"][0]["batch"]["id"]


def test_text_time_filters(world: Sandbox, ask):
    row = world.rows("users")[7]
    path = f"/users?filters[0][field]=date&filters[0][value]={row['date']}"
    without, on = off_and_on(world, ask, path, text_time_filters=True)
    assert ids(without) == [row["id"]]
    assert ids(on) == []
    plain = row["date"][:19].replace("T", " ")
    assert ids(ask(world, "GET", f"/users?filters[0][field]=date&filters[0][value]={plain}")) == [row["id"]]


def test_lte_loses_day(world: Sandbox, ask):
    day = "2025-12-10"
    path = f"/users?filters[0][field]=date&filters[0][operator]=lte&filters[0][value]={day}&per_page=1"
    without, on = off_and_on(world, ask, path, lte_loses_day=True)
    of_day = sum(row["date"].startswith(day) for row in world.rows("users"))
    assert of_day
    assert without.json()["meta"]["total"] - on.json()["meta"]["total"] == of_day


def test_date_shift_hours(world: Sandbox, ask):
    without, on = off_and_on(world, ask, "/users", date_shift_hours=10)
    before, after = without.json()["data"], on.json()["data"]
    assert any(a["date"][:10] < b["date"][:10] for a, b in zip(after, before, strict=True))
    assert all(
        a["date"] < b["date"] and a["qualified_at"] == b["qualified_at"] for a, b in zip(after, before, strict=True)
    )
    day = before[0]["date"][:10]
    stored = ask(world, "GET", f"/users?filters[0][field]=date&filters[0][operator]=lt&filters[0][value]={day}")
    assert ids(stored) == []  # filters go by what is stored


@pytest.mark.parametrize(
    ("style", "pattern"),
    [("space", "{d} {t}"), ("day", "{d}"), ("offset", "{d}T{t}+02:00"), ("iso", "{d}T{t}.000000Z")],
)
def test_timestamps(world: Sandbox, ask, style: str, pattern: str):
    _, on = off_and_on(world, ask, "/users", timestamps=style)
    row = world.rows("users")[3]
    day, time = row["date"][:10], row["date"][11:19]
    if style == "offset":
        time = f"{(int(time[:2]) + 2) % 24:02d}{time[2:]}"
    shown = on.json()["data"][3]["date"]
    assert shown[10:] == pattern.format(d=day, t=time)[10:]


def test_links_keep_query(world: Sandbox, ask):
    path = "/users?order[field]=id&per_page=10&page=2"
    without, on = off_and_on(world, ask, path, links_keep_query=True)
    assert without.json()["links"]["next"] == f"{world.base_url}/users?page=3"
    assert ids(ask(world, "GET", on.json()["links"]["next"])) == ids(
        ask(world, "GET", path.replace("page=2", "page=3"))
    )


def test_no_meta_no_total_and_data_as_object(world: Sandbox, ask):
    world.set_quirks(Quirks(no_meta=True))
    assert list(ask(world, "GET", "/users").json()) == ["data", "links", "code", "message"]
    world.set_quirks(Quirks(no_total=True))
    body = ask(world, "GET", "/users").json()
    assert list(body["meta"]) == ["current_page", "from", "path", "per_page", "to"]
    assert body["links"]["last"] is None
    assert body["links"]["next"]
    world.set_quirks(Quirks(data_as_object=True))
    body = ask(world, "GET", "/users?per_page=3").json()
    assert list(body["data"]) == ["0", "1", "2"]
    assert body["data"]["0"]["id"] == 1


def test_validation_422(fresh: Sandbox, ask):
    fresh.set_quirks(Quirks(validation_422=True))
    reply = ask(fresh, "POST", "/users", form="first_name=A")
    assert reply.status_code == 422
    assert reply.json() == {
        "message": "The email field is required. (and 1 more error)",
        "errors": {
            "email": ["The email field is required."],
            "campaign_id": ["The campaign id field is required."],
        },
    }


def test_html_errors(world: Sandbox, ask):
    world.set_quirks(Quirks(html_errors=True))
    reply = ask(world, "GET", "/users/999999", headers={"Accept": "*/*"})
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<html>" in reply.text
    assert ask(world, "GET", "/users/999999").json()["code"] == 404


def test_new_sources(fresh: Sandbox):
    documented = {"Direct", "Referred", "Added", "API"}
    fresh.advance(days=3)
    assert {row["source"] for row in fresh.rows("users")} == documented
    fresh.set_quirks(Quirks(new_sources=True))
    fresh.advance(days=10)
    assert {row["source"] for row in fresh.rows("users")} - documented


def test_shift_every(fresh: Sandbox, ask):
    before = {row["id"] for row in fresh.rows("users")}
    fresh.set_quirks(Quirks(shift_every=2))
    seen = [set(ids(ask(fresh, "GET", "/users?per_page=250"))) for _ in range(4)]
    assert seen[0] == before
    assert len(before - seen[1]) == 1
    assert seen[2] == seen[1]
    assert len(seen[3] - before) == 1
    assert seen[3] == {row["id"] for row in fresh.rows("users")}
    assert [event["kind"] for event in fresh.events() if event["at"] > "2026-01-05T08"].count("user_deleted") == 1
