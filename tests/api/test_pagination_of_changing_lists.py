"""The paginator: however a list changes between two calls, no row that stayed is missing, or reading is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from referral_warehouse.api.query import Query
from referral_warehouse.errors import FilterIgnored, IncompleteList
from tests.api.moving_lists import Change, MovingList, numbered_rows
from tests.api.paginators import LIST, SINCE, WAYS, honours, kept, paginator_of


def scripted(**at: list[Change]) -> Iterator[list[Change]]:
    """Changes before the n-th request, written ``q3=[…]``."""
    for number in range(1, 200):
        yield at.get(f"q{number}", [])


def test_a_deletion_behind_the_current_page_hides_no_row() -> None:
    # With pages by number alone, row 10 would shift to the page before.
    moving = MovingList(numbered_rows(range(1, 31)), scripted(q5=[("delete", 0)]))
    with paginator_of(moving, concurrency=1) as paginator:
        found = kept(paginator.iter_all(LIST))
    assert moving.stayed <= found.keys()


@pytest.mark.parametrize("way", ["newest first", "oldest first", "in odd order"])
def test_one_gone_and_one_new_do_not_cancel_out(way: str) -> None:
    # The total stays the same although a row was skipped: only another proof than the total shows it.
    for number in range(2, 14):
        changes = {f"q{number}": [("delete", 28), ("insert", 1), ("delete", 1), ("insert", 2)]}
        moving = MovingList(numbered_rows(range(1, 31)), scripted(**changes), frozenset({way, "ignores id filters"}))
        with paginator_of(moving, concurrency=1) as paginator:
            found = kept(paginator.iter_all(LIST))
        assert moving.stayed <= found.keys(), number


def test_a_range_that_rows_leave_while_it_is_read_proves_nothing() -> None:
    moving = MovingList(numbered_rows(range(1, 31)), scripted(q3=[("delete", 20)]))
    with paginator_of(moving, concurrency=1) as paginator, pytest.raises(IncompleteList, match="deleted"):
        kept(paginator.iter_id_range(LIST, 5, 25))


def test_a_new_pass_is_marked() -> None:
    moving = MovingList(numbered_rows(range(1, 31)), scripted(q8=[("delete", 28)]), frozenset({"newest first"}))
    with paginator_of(moving, concurrency=1) as paginator:
        pages = list(paginator.iter_all(LIST))
    assert [page.restart for page in pages].count(True) == 1
    assert moving.stayed <= {identifier for page in pages for identifier in page.ids()}


def test_a_list_that_always_changes_is_refused_where_only_page_numbers_work() -> None:
    def always() -> Iterator[list[Change]]:
        while True:
            yield [("delete", 0), ("delete", 5)] if len(moving.rows) > 20 else [("insert", 1)] * 9

    moving = MovingList(numbered_rows(range(1, 31)), ways=frozenset({"in odd order"}))
    moving.changes = always()
    with paginator_of(moving) as paginator, pytest.raises(IncompleteList, match="users"):
        kept(paginator.iter_all(LIST))


@pytest.mark.parametrize("way", ["reports one too many", "reports a million"])
def test_a_total_that_stays_wrong_is_refused_soon(way: str) -> None:
    moving = MovingList(numbered_rows(range(1, 31)), ways=frozenset({way, "refuses id filters"}))
    with paginator_of(moving) as paginator, pytest.raises(IncompleteList, match="30 rows each time"):
        kept(paginator.iter_all(LIST))
    assert len(moving.queries) <= 45


@pytest.mark.parametrize("total", [4, "9"])
def test_an_empty_page_with_a_total_is_refused(total: Any) -> None:
    class Hollow(MovingList):
        def get(self, query: Query, _server_error_attempts: int | None = None) -> Any:
            response = super().get(query)
            response.payload.update(data=[], meta={"total": total})
            return response

    for read in (lambda p: p.iter_all(LIST), lambda p: p.iter_matching(LIST, SINCE, honours)):
        with paginator_of(Hollow(numbered_rows(range(1, 5)))) as paginator, pytest.raises(IncompleteList):
            kept(read(paginator))


CHANGE = st.one_of(
    st.tuples(st.just("delete"), st.integers(0, 60)),
    st.tuples(st.just("insert"), st.integers(0, 9)),
    st.tuples(st.just("touch"), st.integers(0, 60)),
)
MOVING_WAYS = st.sampled_from(
    # Without totals, a few rows in an odd order that happen to ascend cannot be distinguished from ordered ones.
    [way for way in WAYS if way not in (("reports the page's total",), ("reports no meta", "in odd order"))]
)


@st.composite
def moving_lists(draw: st.DrawFn, ways: st.SearchStrategy[tuple[str, ...]] = MOVING_WAYS) -> Callable[[], MovingList]:
    ids = draw(st.lists(st.integers(1, 60), unique=True, max_size=30))
    groups = draw(st.lists(st.lists(CHANGE, max_size=3), max_size=30))
    way = draw(ways)
    # A page of one row rises in any order; real pages hold 25 and more.
    size = draw(st.integers(2, 6))
    note(f"{ids} {groups} {way} pages of {size}")
    return lambda: MovingList(numbered_rows(ids), iter(groups), frozenset(way), size)


@given(make=moving_lists())
@settings(max_examples=400, deadline=None)
def test_no_row_that_stayed_is_missing_and_none_is_made_up(make: Callable[[], MovingList]) -> None:
    moving = make()
    with paginator_of(moving, concurrency=1) as paginator:
        try:
            found = kept(paginator.iter_all(LIST))
        except IncompleteList:
            return
    assert moving.stayed <= found.keys()
    assert found.keys() <= moving.ever


# An incremental query may gain rows anywhere, so no count detects a few rows in an odd order that happen to ascend.
@given(make=moving_lists(ways=MOVING_WAYS.filter(lambda ways: "in odd order" not in ways)))
@settings(max_examples=300, deadline=None)
def test_no_row_that_kept_matching_is_missing(make: Callable[[], MovingList]) -> None:
    moving = make()
    before = {identifier for identifier, row in moving.rows.items() if honours(row)}
    touched: set[int] = set()
    change = moving._change

    def noting(what: str, number: int) -> None:
        rows = dict(moving.rows)
        change(what, number)
        touched.update(i for i, row in rows.items() if moving.rows.get(i) is not row)

    moving._change = noting  # type: ignore[method-assign]
    with paginator_of(moving, concurrency=1) as paginator:
        try:
            found = kept(paginator.iter_matching(LIST, SINCE, honours))
        except (IncompleteList, FilterIgnored):
            return
    assert before - touched <= found.keys()
    assert all(map(honours, found.values()))


@given(make=moving_lists(), above=st.none() | st.integers(0, 40), upto=st.integers(20, 70))
@settings(max_examples=300, deadline=None)
def test_no_row_that_stayed_in_a_range_is_missing(make: Callable[[], MovingList], above: int | None, upto: int) -> None:
    moving = make()
    with paginator_of(moving, concurrency=1) as paginator:
        try:
            found = kept(paginator.iter_id_range(LIST, above, upto))
        except (IncompleteList, FilterIgnored):
            return
    expected = {i for i in moving.stayed if (above is None or i > above) and i <= upto}
    assert expected <= found.keys() <= moving.ever
