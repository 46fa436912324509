"""Reading envelopes: reported counts are used, contradictions are refused, nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.api.client import ApiResponse
from referral_warehouse.api.responses import Page, read_page, read_single, row_id
from referral_warehouse.errors import BadEnvelope

AT = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
ROWS = [{"id": 1}, {"id": 2}]


def answer(payload: dict[str, Any]) -> ApiResponse:
    return ApiResponse(payload, AT, "users", 1, 0.1)


def page(**payload: Any) -> Page:
    return read_page(answer(payload))


def test_the_documented_envelope() -> None:
    meta = {"current_page": 1, "from": 1, "last_page": 4, "per_page": 25, "to": 2, "total": 76}
    read = page(data=ROWS, links={"next": "https://api.example.com/users?page=2"}, meta=meta, code=200, message=None)
    assert read == Page(ROWS, 76, 4, AT, has_next=True)
    assert not read.is_all


@pytest.mark.parametrize(
    ("payload", "total", "last_page"),
    [
        ({}, None, None),
        ({"meta": None}, None, None),
        ({"meta": []}, None, None),
        ({"meta": {}}, None, None),
        ({"meta": {"total": "7", "last_page": "1"}}, 7, 1),
        ({"meta": {"total": True, "last_page": -1}}, None, None),
        ({"meta": {"total": 7.5, "last_page": "one"}}, None, None),
        ({"meta": {"total": "٧"}}, None, None),
        ({"meta": {"total": 2}, "links": ["odd"]}, 2, None),
        ({"meta": {"total": 2_000_001, "last_page": 2_000_001}}, 2_000_001, 2_000_001),  # one row a page, to count rows
        ({"meta": {"total": 500_000_000, "last_page": 500_000_000}}, 500_000_000, 500_000_000),
    ],
)
def test_counts_are_read_where_they_are_reported(
    payload: dict[str, Any], total: int | None, last_page: int | None
) -> None:
    read = page(data=ROWS, **payload)
    assert (read.total, read.last_page, read.has_next) == (total, last_page, False)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ([], []),
        ({}, []),
        ({"0": {"id": 1}, "1": {"id": 2}}, ROWS),
        ({"10": {"id": 2}, "9": {"id": 1}}, ROWS),
    ],
)
def test_lists_are_arrays_or_objects_keyed_by_numbers(data: Any, rows: list[Any]) -> None:
    assert page(data=data).rows == rows


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"message": "Unauthenticated."},
        {"data": None},
        {"data": "rows"},
        {"data": 7},
        {"data": {"id": 1, "first_name": "John"}},
        {"data": {"²": {"id": 1}}},
        {"data": ROWS, "meta": {"total": 1}},
        {"data": ROWS, "meta": {"total": 0, "last_page": 1}},
    ],
)
def test_a_body_without_a_list_or_with_a_contradiction_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(BadEnvelope, match="users"):
        read_page(answer(payload))


@pytest.mark.parametrize(
    ("payload", "is_all"),
    [
        ({"meta": {"total": 2, "last_page": 1}}, True),
        ({"meta": {"total": 2}}, True),
        ({"meta": {"last_page": 1}}, True),
        ({"meta": {"total": 3, "last_page": 1}}, False),
        ({"meta": {"total": 2, "last_page": 2}}, False),
        ({"meta": {"total": 2, "last_page": 1}, "links": {"next": "…"}}, False),
        ({"meta": {"total": 2, "last_page": 1}, "links": {"next": None}}, True),
        ({"meta": {"last_page": 3}}, False),
        ({}, False),
    ],
)
def test_a_page_is_the_whole_list_only_if_nothing_indicates_more(payload: dict[str, Any], is_all: bool) -> None:
    assert page(data=ROWS, **payload).is_all is is_all


def test_an_empty_list_is_all_even_without_meta() -> None:
    assert page(data=[]).is_all
    assert not page(data=[], meta={"total": 4}).is_all


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"id": 7}, 7),
        ({"id": "7"}, 7),
        ({"id": True}, None),
        ({"id": 7.0}, None),
        ({"id": "7a"}, None),
        ({"id": "²"}, None),
        ({"id": ""}, None),
        ({"id": None}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_ids_are_whole_numbers_or_their_texts(row: Any, found: int | None) -> None:
    assert row_id(row) == found
    assert Page([{"id": 3}, row], None, None, None).ids() == ([3] if found is None else [3, found])


@pytest.mark.parametrize("payload", [{}, {"data": []}, {"data": None}, {"data": "gone"}])
def test_a_single_response_has_an_object(payload: dict[str, Any]) -> None:
    assert read_single(answer({"data": {"id": 1}, "code": 200})) == {"id": 1}
    with pytest.raises(BadEnvelope, match="users"):
        read_single(answer(payload))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ENVELOPE = st.fixed_dictionaries(
    {},
    optional={
        "data": JSON | st.lists(st.fixed_dictionaries({"id": JSON}), max_size=4),
        "meta": JSON | st.fixed_dictionaries({}, optional={"total": JSON, "last_page": JSON}),
        "links": JSON | st.fixed_dictionaries({"next": JSON}),
    },
)


@given(payload=ENVELOPE)
def test_any_envelope_is_read_or_refused(payload: dict[str, Any]) -> None:
    try:
        read = read_page(answer(payload))
    except BadEnvelope:
        return
    assert len(read.rows) == len(payload["data"])
    assert read.total is None or read.total >= len(read.rows)
    assert all(type(identifier) is int for identifier in read.ids())
    assert read.is_all in (True, False)
