"""Queries become exactly the documented parameters, and names are unchanged as parts of a URL."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.api.query import OPERATORS, Filter, Query, query_params, quote_segment
from referral_warehouse.errors import RequestRefused


def test_a_query_writes_every_documented_parameter() -> None:
    query = Query(
        "users",
        filters=(Filter("qualified_at", "gte", "2026-05-01"), Filter("id", "lt", 500)),
        order="id",
        direction="desc",
        relations=("coupon", "campaign"),
        page=3,
        per_page=100,
    )
    assert query_params(query) == [
        ("filters[0][field]", "qualified_at"),
        ("filters[0][operator]", "gte"),
        ("filters[0][value]", "2026-05-01"),
        ("filters[1][field]", "id"),
        ("filters[1][operator]", "lt"),
        ("filters[1][value]", "500"),
        ("order[field]", "id"),
        ("order[direction]", "desc"),
        ("with[]", "coupon"),
        ("with[]", "campaign"),
        ("per_page", "100"),
        ("page", "3"),
    ]


def test_defaults_are_left_out() -> None:
    assert query_params(Query("users", order="id")) == [("order[field]", "id"), ("per_page", "250")]
    assert query_params(Query("campaigns/7", per_page=None)) == []


def test_one_relation_still_takes_the_array_form() -> None:
    assert query_params(Query("users", relations=("coupon",), per_page=None)) == [("with[]", "coupon")]


def test_where_and_with_page_leave_the_original_alone() -> None:
    first = Query("users", filters=(Filter("id", "gt", 1),))
    second = first.where(Filter("id", "lte", 9)).with_page(2)
    assert (first.page, len(first.filters)) == (1, 1)
    assert (second.page, [f.operator for f in second.filters]) == (2, ["gt", "lte"])


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_each_documented_operator_is_accepted(operator: str) -> None:
    assert query_params(Query("users", (Filter("id", operator, 1),), per_page=None))[1][1] == operator


@pytest.mark.parametrize("operator", ["=", "eq", "GT", "in", ""])
def test_other_operators_are_refused(operator: str) -> None:
    with pytest.raises(ValueError, match="operator"):
        Filter("id", operator, 1)


def test_booleans_are_sent_the_way_php_reads_them() -> None:
    assert Filter("qualified", "equal", True).as_text() == "1"
    assert Filter("qualified", "equal", False).as_text() == "0"


@pytest.mark.parametrize(
    "path", ["", "/users", "//example.org/x", "users?x=1", "users#a", "../me", "users/..", "a b", "users/", "%zz", "é"]
)
def test_a_path_cannot_leave_the_base_url(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Query(path)


@pytest.mark.parametrize(
    "fields", [{"page": 0}, {"per_page": 0}, {"per_page": 251}, {"direction": "up"}], ids=lambda fields: str(fields)
)
def test_numbers_outside_the_grammar_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields)).split("_")[0]):
        Query("users", **fields)  # type: ignore[arg-type]


def test_a_filter_needs_a_field() -> None:
    with pytest.raises(ValueError, match="field"):
        Filter("", "equal", 1)


@given(st.text(min_size=1).filter(lambda name: name not in (".", "..")))
def test_any_name_becomes_one_segment_and_back(name: str) -> None:
    try:
        segment = quote_segment(name)
    except RequestRefused:
        assert any("\ud800" <= letter <= "\udfff" for letter in name)
        return
    assert unquote(segment) == name
    assert Query(f"coupons/{segment}").path.count("/") == 1


@pytest.mark.parametrize("name", ["", ".", "..", "\ud800"])
def test_names_that_no_url_can_contain_are_refused_as_not_found(name: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        quote_segment(name)
    assert refused.value.status == 404
