"""Pages that are parsed together have the result of each page by itself, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from referral_warehouse.api.json_decoding import Unreadable, parse_object
from referral_warehouse.api.responses import Page
from referral_warehouse.errors import BadEnvelope
from referral_warehouse.load import page_parser
from referral_warehouse.load.clock.observation_clock import ObservationClock
from referral_warehouse.load.page_parser import PageParser
from referral_warehouse.load.registry import DOCUMENTED
from referral_warehouse.load.report import LoadReport
from tests.load.extreme_values import good_row, written
from tests.load.parsing import quarantined
from tests.load.wrong_rows import rows

NOON = datetime(2026, 3, 1, 12)  # noqa: DTZ001 - naive UTC
Pages = list[list[str]]


def simulated_parser() -> PageParser:
    """A parser that dates pages by their own time."""
    return PageParser(LoadReport("r1"), ObservationClock(simulated=True))


def good(table: str, *ids: int) -> list[str]:
    """Rows as documented, with amounts as numbers."""
    return [written(good_row(table, identifier)).replace('"19.99"', "19.99") for identifier in ids]


@st.composite
def pages_of(draw: st.DrawFn, table: str) -> Pages:
    """A few pages, nearly all of rows as documented; ids may occur in several of them."""
    row = st.tuples(st.integers(1, 9), st.sampled_from(("word", "other"))).map(
        lambda found: good(table, found[0])[0].replace("word", found[1])
    )
    if draw(st.booleans()):
        row |= rows(table)
    return draw(st.lists(st.lists(row, max_size=3), min_size=1, max_size=4))


def as_page(texts: Sequence[str], number: int, restart_at: int | None) -> Page:
    body = parse_object(f'{{"data":[{",".join(texts)}]}}'.encode())
    at = NOON + timedelta(seconds=number)
    return Page(body["data"], None, None, at, label=f"page {number}", restart=number == restart_at)


def outcome(table: str, pages: Iterator[Page] | list[Page], most: int) -> Any:
    """All that parsing the pages leaves: rows, rejects, quarantine, report; or the error."""
    parser = simulated_parser()
    try:
        return _all_of(parser, table, pages, most)
    except BadEnvelope as error:
        return str(error)


def _all_of(parser: PageParser, table: str, pages: Iterator[Page] | list[Page], most: int) -> Any:
    kept: list[Any] = []
    rejects: list[Any] = []
    for parsed in parser.read(DOCUMENTED[table], pages, table, most):
        if parsed.pages[0].page.restart:
            kept.clear()
            rejects.clear()
        kept += parsed.table.to_pylist()
        rejects += parsed.rejects
    report = parser.report.stream(DOCUMENTED[table].reported_as)
    counts = (report.observed_at, report.rows_seen, report.rows_quarantined, sorted(report.notes))
    return kept, rejects, quarantined(parser).to_pylist(), counts


@pytest.mark.parametrize("table", ["users", "rewards_due", "rewards_issued"])
def test_a_group_of_pages_is_read_like_each_of_them(table: str) -> None:
    @given(pages_of(table), st.integers(1, 12), st.none() | st.integers(1, 3))
    @example([good(table, 1, 2), good(table, 2, 3)], 12, None)  # an id in two pages is no contradiction
    @example([good(table, 1, 1), [], good(table, 2)], 12, 2)
    @example([[*good(table, 1), good(table, 1)[0].replace("word", "other")]], 12, None)  # here it is
    @settings(max_examples=40)
    def check(texts: Pages, most: int, restart_at: int | None) -> None:
        try:
            pages = [as_page(page, number, restart_at) for number, page in enumerate(texts)]
        except Unreadable:
            return
        with mock.patch.object(page_parser, "coerce_as_documented", return_value=None):
            wanted = outcome(table, pages, 1)
        assert outcome(table, pages, most) == wanted

    check()


def test_pages_as_documented_are_parsed_at_once() -> None:
    with mock.patch.object(page_parser, "coerce", side_effect=AssertionError("one page by itself")):
        [parsed] = simulated_parser().read(
            DOCUMENTED["users"], [as_page(good("users", n, n + 1), n, None) for n in (1, 3, 5)], "users"
        )
    assert parsed.table.column("id").to_pylist() == [1, 2, 3, 4, 5, 6]
    assert parsed.table.column("_fetched_at").to_pylist() == [NOON + timedelta(seconds=n) for n in (1, 1, 3, 3, 5, 5)]


def test_a_page_is_observed_when_it_is_there() -> None:
    parser = simulated_parser()
    seen = []

    def pages() -> Iterator[Page]:
        for number in (1, 2, 3):
            yield as_page(good("users", number), number, None)
            seen.append(parser.latest)

    list(parser.read(DOCUMENTED["users"], pages(), "users"))
    assert seen == [NOON + timedelta(seconds=n) for n in (1, 2, 3)]
