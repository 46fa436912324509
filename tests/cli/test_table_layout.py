"""Tables in the columns of a terminal: they fit, and no word of usual length is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.cli.console import show_table
from referral_warehouse.cli.table_layout import BETWEEN, LONGEST_WORD, as_list, column_widths

WORD = st.text(st.sampled_from("abcdefgh123"), min_size=1, max_size=12)
CELL = st.lists(WORD, max_size=5).map(" ".join)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    columns = draw(st.integers(1, 8))
    return draw(st.lists(st.lists(CELL, min_size=columns, max_size=columns), min_size=1, max_size=5))


@given(tables(), st.integers(10, 160))
def test_widths_fit_and_hold_every_word(cells: list[list[str]], width: int) -> None:
    widths = column_widths(cells, width)
    longest = [
        max((len(word) for text in column for word in text.split()), default=0) for column in zip(*cells, strict=True)
    ]
    edges = BETWEEN * len(longest) - 1
    if widths is None:
        assert sum(longest) + edges > width
        return
    natural = [max(map(len, column)) for column in zip(*cells, strict=True)]
    assert sum(widths) + edges <= width
    assert all(low <= found <= high for low, found, high in zip(longest, widths, natural, strict=True))
    assert widths == natural or sum(widths) + edges == width, "columns are left empty while a text is wrapped"


@given(tables(), st.integers(20, 160))
def test_a_list_has_every_word_whole(cells: list[list[str]], width: int) -> None:
    heads, *rows = cells
    lines = as_list(heads, rows, width)
    assert all(len(line) <= width or " " not in line.strip() for line in lines)
    shown = " ".join(lines).split()
    for row in rows:
        for text in row:
            assert set(text.split()) <= set(shown)


def test_a_word_without_an_end_is_broken_and_never_makes_a_line_too_long() -> None:
    cells = [["name", "rows"], ["x" * 500, "1"]]
    assert column_widths(cells, 30) is None
    assert (column_widths(cells, 100) or [0])[0] >= LONGEST_WORD
    lines = as_list(cells[0], cells[1:], 30)
    assert max(map(len, lines)) <= 30
    assert "".join(lines).count("x") == 500
    assert max(map(len, as_list(["name"], [["語" * 100]], 30))) <= 15 + len("name: ")


@pytest.mark.parametrize(("columns", "is_table"), [("80", True), ("20", False)])
def test_a_table_that_does_not_fit_becomes_a_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, is_table: bool
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show_table("Rows", ("table_name", "rows", "is_new"), [("core.users", 1200, True), ("core.rewards", 3, False)])
    shown = capsys.readouterr().out
    assert ("│" in shown) == is_table
    assert max(map(len, shown.splitlines())) <= int(columns)
    assert {"core.users", "core.rewards", "1,200", "yes"} <= set(shown.replace("│", " ").split())


def test_a_time_stays_on_one_line_where_heads_can_be_wrapped() -> None:
    """As in the table of streams of `referrals status` in 140 columns."""
    counts = ["api count", "our count", "differences found", "repaired by", "repaired count", "in flight"]
    heads = ["stream", "observed at", *counts, "rows written count", "rows quarantined count", "calls count"]
    row = ["rewards_issued", "2026-01-01 08:00:00", "1,234,567", "1,234,567", "none", "", "0", "", "12", "–", "1"]
    widths = column_widths([heads, row], 140)
    assert widths is not None
    assert all(len(text) <= width for text, width in zip(row, widths, strict=True))
    assert sum(widths) + BETWEEN * len(widths) - 1 == 140
