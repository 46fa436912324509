"""The quarantine over several runs: its rows, what it must not hide, and how a corrected row leaves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.api.responses import Page
from referral_warehouse.load.page_parser import PageParser
from referral_warehouse.load.privacy.forgotten import whole_id
from referral_warehouse.load.quarantine import CONTRADICTION
from referral_warehouse.load.records.schema import QUARANTINE, id_in
from referral_warehouse.load.registry import DOCUMENTED, TABLES
from referral_warehouse.warehouse.build import build
from tests.load.accounts import Account
from tests.load.parsing import new_parser, parsed_page, quarantined


def reward(identifier: Any, **changed: Any) -> dict[str, Any]:
    return {"id": identifier, "campaign_id": 1, "name": "Voucher", "type": "Voucher", "value": 5} | changed


def read(parser: PageParser, *rows: Any) -> list[Any]:
    table, _ = parsed_page(
        parser, DOCUMENTED["rewards"], Page(list(rows), len(rows), 1, None, label="rewards?page=1"), "rewards"
    )
    return table.column("id").to_pylist()


@pytest.mark.parametrize(
    ("rows", "kept", "refused"),
    [
        ([reward(1), reward(1)], [1, 1], []),
        ([reward(1), reward("1", value="5.00")], [1, 1], []),
        ([reward(1), reward(2, value=6), reward(1, value=7)], [2], ["1", "1"]),
        ([reward(1), reward(1, value="much"), reward(3)], [3], ["1", "1"]),
        ([reward(1), reward(1.0, value=9)], [], ["1", "1"]),
        ([reward(None), reward(None, value=1), reward(4)], [4], ["null", "null"]),
    ],
)
def test_contradictory_rows_of_one_response_are_all_quarantined(
    rows: list[Any], kept: list[int], refused: list[str]
) -> None:
    parser = new_parser("r1")
    assert read(parser, *rows) == kept
    found = quarantined(parser)
    assert found.column("record_id").to_pylist() == refused
    assert len(set(found.column("key").to_pylist())) == len(refused), "each of them can be looked at"
    assert parser.report.stream("rewards").rows_quarantined == len(refused)
    if kept == [2]:
        assert set(found.column("reason").to_pylist()) == {CONTRADICTION}


def test_a_row_that_can_be_read_again_closes_every_bad_form_it_had() -> None:
    parser = new_parser("r1")
    read(parser, reward(1, value="much"), reward(2, value="little"))
    read(parser, reward(1, value="a lot"))
    assert quarantined(parser).num_rows == 3
    read(parser, reward(1))
    closed = quarantined(parser)
    assert closed.column("reason").to_pylist() == ["value: 'much' is not an amount", "value: 'a lot' is not an amount"]
    assert None not in closed.column("resolved_at").to_pylist()
    read(parser, reward(1))
    assert quarantined(parser).num_rows == 0


@given(st.integers(-(2**65), 2**65) | st.integers(2**63 - 3, 2**63 + 3) | st.integers(-(2**63) - 3, -(2**63) + 3))
def test_an_id_is_an_integer_of_64_bits(number: int) -> None:
    assert id_in(str(number)) == (number if -(2**63) <= number < 2**63 else None)
    assert whole_id(f" {number}.0 ") == id_in(str(number))


@pytest.mark.parametrize("identifier", [7, 10**18, 2**63 - 1])
def test_a_row_in_quarantine_is_recognised_by_an_id_of_any_size(identifier: int) -> None:
    parser = new_parser("r1")
    read(parser, reward(identifier, value="much"))
    assert quarantined(parser).column("resolved_at").to_pylist() == [None]
    read(parser, reward(identifier))
    assert None not in quarantined(parser).column("resolved_at").to_pylist()


def stored(shown: str | None) -> str | None:
    """A time as the sandbox keeps it."""
    return shown and shown[:19].replace("T", " ")


def open_and_closed(account: Account) -> dict[str, bool]:
    """Stream → whether its one row in quarantine is closed."""
    return dict(account.query("select stream, resolved_at is not null from raw.quarantine"))


def test_a_bad_row_keeps_its_last_good_version_and_a_corrected_one_leaves_the_quarantine(account: Account) -> None:
    user = account.world.rows("users")[4]
    campaigns = "select id, name, starts_at from raw.campaigns where _dlt_valid_to is null order by id"
    good = account.query(campaigns)
    starts_at = next(stored(row["starts_at"]) for row in account.world.rows("campaigns") if row["id"] == 1)
    account.tamper("update users set date = 'soon', first_name = 'New' where id = ?", user["id"])
    account.tamper("update campaigns set starts_at = 'soon', name = 'New' where id = 1")
    report = account.load("users", "campaigns", sweep=True)
    assert (report.streams["users"].rows_quarantined, report.streams["campaigns"].rows_quarantined) == (1, 1)
    assert account.query(campaigns) == good
    assert account.one(f"select first_name from raw.users where id = {user['id']}") == user["first_name"]
    assert open_and_closed(account) == {"users": False, "campaigns": False}
    account.tamper("update users set date = ?, first_name = 'Newer' where id = ?", stored(user["date"]), user["id"])
    account.tamper("update campaigns set starts_at = ? where id = 1", starts_at)
    for _ in range(2):
        account.load("users", "campaigns", sweep=True)
        assert open_and_closed(account) == {"users": True, "campaigns": True}
        assert account.differences() == {}


def test_a_row_that_comes_again_as_it_was_leaves_too(account: Account) -> None:
    """Nothing of it is written then, and yet it is not to be counted as unreadable any longer."""
    user = account.world.rows("users")[4]
    account.tamper("update users set date = 'soon' where id = ?", user["id"])
    account.load("users", sweep=True)
    account.tamper("update users set date = ? where id = ?", stored(user["date"]), user["id"])
    assert account.load("users", sweep=True).rows_written == 0
    assert open_and_closed(account) == {"users": True}


def test_a_load_file_from_before_is_read_and_written(
    fresh: Callable[..., Account], monkeypatch: pytest.MonkeyPatch, models_of: Callable[..., None]
) -> None:
    models_of("ops.quarantine", "ops.run_streams")
    account = fresh()
    with monkeypatch.context() as before:
        older = replace(QUARANTINE, fields=tuple(f for f in QUARANTINE.fields if f.name != "resolved_at"))
        before.setitem(TABLES, "quarantine", older)
        before.setattr("referral_warehouse.load.page_parser.QUARANTINE", older)
        before.setattr("referral_warehouse.load.quarantine.QUARANTINE", older)
        user = account.world.rows("users")[4]
        account.tamper("update users set date = 'soon' where id = ?", user["id"])
        account.load()
        assert "resolved_at" not in dict(account.query("select column_name, 1 from (describe raw.quarantine)"))
    build(account.settings)
    account.tamper("update users set date = ? where id = ?", stored(user["date"]), user["id"])
    account.load("users", sweep=True)
    assert open_and_closed(account) == {"users": True}
    build(account.settings)
