"""JSON rows become typed tables: what does not fit is quarantined with its reason, nothing is dropped."""

# ruff: noqa: DTZ001 - times are naive UTC in the load file

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.errors import BadEnvelope
from referral_warehouse.load.records.coercion import coerce
from referral_warehouse.load.registry import DOCUMENTED

NOW = datetime(2026, 1, 5, 8)


def user(**changed: Any) -> dict[str, Any]:
    return {
        "id": 1, "campaign_id": 2, "referrer_id": None, "qualified": False, "qualified_at": None,
        "unsubscribed": False, "unsubscribed_at": None, "first_name": "Zoë", "email": "zoe@example.com", "code": "z",
        "reach": 0, "referrals_count": 0, "converted_referrals_count": 0, "source": "Email",
        "date": "2026-01-04T10:00:00.000000Z", "url": "https://example.com/z", "meta": {}, "sharing": [],
        "sharing_message": None,
    } | changed  # fmt: skip


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


QUARANTINED: list[tuple[Any, str, str]] = [
    (user(id=None), "null", "id is empty"),
    (user(id=""), "", "id is empty"),
    (user(id="\ud800"), "\\ud800", "id: '\\\\ud800' is not a whole number"),
    (user(id=2**64), str(2**64), f"id: '{2**64}' does not fit into 64 bits"),
    (user(campaign_id=None), "1", "campaign_id is empty"),
    (user(qualified=None), "1", "qualified is empty"),
    (user(qualified="perhaps"), "1", "qualified: 'perhaps' is neither true nor false"),
    (without(user(), "qualified_at"), "1", "qualified_at is missing"),
    (without(user(), "id"), "null", "id is missing"),
    (user(qualified_at="2026-02-30"), "1", "qualified_at: '2026-02-30' is not a possible date"),
    (user(first_name="\udc00"), "1", "first_name: text that is not valid Unicode (a lone surrogate)"),
    (user(meta={"q": "\udc00"}), "1", "meta: JSON that is not valid Unicode (a lone surrogate)"),
    (user(reach="many"), "1", "reach: 'many' is not a whole number"),
    ("no object", "null", "not an object"),
    (None, "null", "not an object"),
]


@pytest.mark.parametrize(("row", "record_id", "reason"), QUARANTINED, ids=lambda v: v if isinstance(v, str) else "row")
def test_a_row_that_does_not_fit_is_quarantined_with_its_reason(row: Any, record_id: str, reason: str) -> None:
    coerced = coerce(DOCUMENTED["users"], [user(id=8), row, user(id=9)], NOW, "users")
    assert coerced.table.column("id").to_pylist() == [8, 9]
    (reject,) = coerced.rejects
    assert (reject.record_id, reject.reason) == (record_id, reason)
    kept = json.loads(reject.raw)
    assert kept == row or "\\ud" in reject.raw
    assert reject.raw.isascii() or "Zoë" in reject.raw


def test_the_first_problem_of_a_row_is_its_reason_and_the_row_is_kept_once() -> None:
    coerced = coerce(DOCUMENTED["users"], [user(qualified="perhaps", reach="many", date="soon")], NOW, "users")
    assert [reject.reason for reject in coerced.rejects] == ["qualified: 'perhaps' is neither true nor false"]
    assert coerced.table.num_rows == 0


@pytest.mark.parametrize("table", DOCUMENTED)
def test_a_required_field_that_vanished_everywhere_is_refused(table: str) -> None:
    whole = {field.name: None for field in DOCUMENTED[table].fields}
    for field in DOCUMENTED[table].fields:
        rows = [without(whole, field.name) | {"renamed": 1}] * 2
        if field.must:
            with pytest.raises(BadEnvelope, match=f"page 3: the field '{field.name}' is in no row"):
                coerce(DOCUMENTED[table], rows, NOW, "page 3")
        else:
            assert coerce(DOCUMENTED[table], rows, NOW, "page 3").absent == (field.name,)


def test_no_rows_are_no_vanished_fields() -> None:
    coerced = coerce(DOCUMENTED["users"], [], NOW, "users")
    assert (coerced.table.num_rows, coerced.rejects) == (0, [])
    assert coerced.table.schema == DOCUMENTED["users"].arrow


def test_an_optional_field_that_some_rows_lack_is_empty_there() -> None:
    coerced = coerce(DOCUMENTED["users"], [user(), without(user(id=2), "code")], NOW, "users")
    assert coerced.table.column("code").to_pylist() == ["z", None]
    assert coerced.absent == ()


def test_new_fields_are_kept_together_and_relations_are_not() -> None:
    rows = [user(type="person_invited", score=1.5, coupon={"id": 5}), user(id=2), user(id=3, type=None)]
    extra = coerce(DOCUMENTED["users"], rows, NOW, "users").table.column("_extra").to_pylist()
    assert [text and json.loads(text) for text in extra] == [
        {"type": "person_invited", "score": 1.5}, None, {"type": None},
    ]  # fmt: skip


def test_types_are_the_projects_and_not_the_responses() -> None:
    issued = {
        "id": "7", "reward_id": "1", "reward_value": "19.99", "recipient_id": 3, "total_due": "2",
        "total_value": 39.98, "status": "Issued", "issued_at": "2026-01-04", "reward_for": "person_referring",
    }  # fmt: skip
    row = coerce(DOCUMENTED["rewards_issued"], [issued], NOW, "issued").table.to_pylist()[0]
    assert (row["id"], row["reward_id"], row["total_due"]) == (7, 1, 2)
    assert (row["reward_value"], row["total_value"]) == (Decimal("19.99"), Decimal("39.98"))
    assert (row["issued_at"], row["_fetched_at"]) == (datetime(2026, 1, 4), NOW)


def test_one_odd_row_does_not_change_how_the_others_are_read() -> None:
    """A page with one number that no double represents is read by the standard parser, which returns Decimals."""
    # fmt: off
    rows = [{"id": 1, "campaign_id": 1, "name": "a", "type": "Voucher", "value": Decimal("19.99")},
            {"id": 2, "campaign_id": Decimal(1), "name": "b", "type": "Voucher", "value": Decimal("0.0000001")}]
    # fmt: on
    coerced = coerce(DOCUMENTED["rewards"], rows, NOW, "rewards")
    assert coerced.table.column("value").to_pylist() == [Decimal("19.99")]
    assert [reject.record_id for reject in coerced.rejects] == ["2"]


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=()), max_size=8),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
    st.decimals(),
)  # fmt: skip
ODD_ROWS = st.one_of(
    st.fixed_dictionaries({}, optional={field.name: ODD for field in DOCUMENTED["users"].fields} | {"extra": ODD}), ODD
)


@given(st.lists(ODD_ROWS, max_size=4))
def test_every_row_is_either_in_the_table_or_in_quarantine(rows: list[Any]) -> None:
    rows = [user(id=10), *rows]
    coerced = coerce(DOCUMENTED["users"], rows, NOW, "users")
    assert coerced.table.num_rows + len(coerced.rejects) == len(rows)
    assert coerced.table.schema == DOCUMENTED["users"].arrow
    for reject in coerced.rejects:
        orjson.loads(reject.raw)
        (reject.record_id + reject.reason).encode()
    for name in DOCUMENTED["users"].json_columns:
        for text in filter(None, coerced.table.column(name).to_pylist()):
            orjson.loads(text)
