"""The rows that are sent of a table, with the rows that stay, are those of the new feed; or nothing is sent in part."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from referral_warehouse.destinations import changed_rows as module
from referral_warehouse.destinations.changed_rows import ChangedRows, changed_rows, comparison
from referral_warehouse.destinations.feeds import feed_table
from referral_warehouse.settings import Settings

SCHEMA = pa.schema([
    pa.field("id", pa.int64(), metadata={"comment": "the first part of the key"}), pa.field("part", pa.string()),
    pa.field("value", pa.decimal128(38, 2)), pa.field("ids", pa.list_(pa.int64())),
])  # fmt: skip
KEY = ("id", "part")
Row = tuple[Any, ...]
ROW = st.tuples(
    st.integers(0, 9), st.sampled_from(["a", "A", "it's"]), st.sampled_from([None, Decimal("0.10"), Decimal("0.11")]),
    st.sampled_from([None, (), (1, 2), (2, 1), (None,)]),
)  # fmt: skip
ROWS = st.lists(ROW, max_size=12, unique_by=lambda row: row[:2])
ODD_ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["a", None]), st.just(Decimal(1)), st.sampled_from([None, (1,)])),
    max_size=9,
)
SAME = [(number, "a", None, None) for number in range(10)]
"""Rows that both feeds have, so that the others are few."""


@dataclass(frozen=True)
class Comparing:
    """A connection, and a folder for files: a new one each time, because DuckDB keeps what it read of a file."""

    connection: duckdb.DuckDBPyConnection
    root: Path

    def __call__(self, before: list[Row], after: list[Row], key: tuple[str, ...] = KEY) -> ChangedRows | None:
        folder, paths = Path(tempfile.mkdtemp(dir=self.root)), []
        for name, rows in (("before", before), ("after", after)):
            columns = [dict(zip(SCHEMA.names, row, strict=True)) for row in rows]
            paths.append(folder / f"{name}.feed")
            pq.write_table(pa.Table.from_pylist(columns, schema=SCHEMA), paths[-1])
        table = feed_table("core_some", paths[1], key)
        return changed_rows(self.connection, table, len(after), paths[0], folder)


@pytest.fixture(scope="module")
def compare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparing]:
    folder = tmp_path_factory.mktemp("feeds")
    with comparison(Settings(warehouse_dir=folder / "data"), folder) as connection:
        yield Comparing(connection, folder)


def read(path: Path) -> list[Row]:
    rows = pq.read_table(path).to_pylist()
    return [tuple(tuple(value) if isinstance(value, list) else value for value in row.values()) for row in rows]


def applied(before: list[Row], sent: ChangedRows) -> Counter[Row]:
    """What a destination has afterwards: a null in a key is equal to nothing there."""
    deleted = [row[:2] for row in read(sent.table.path)] + ([] if sent.removed is None else read(sent.removed.path))
    kept = [row for row in before if None in row[:2] or row[:2] not in deleted]
    return Counter([*kept, *read(sent.table.path)])


@given(before=ROWS, after=ROWS)
@example(before=[], after=[])
@settings(max_examples=60, deadline=None)
def test_changes_to_rows_with_unique_keys_are_sent_unless_they_are_many(
    compare: Comparing, before: list[Row], after: list[Row]
) -> None:
    further = [(row[0] + 100, *row[1:]) for row in SAME]
    before, after = before + further, further + after
    old, new = {row[:2]: row for row in before}, {row[:2]: row for row in after}
    changed, gone = [row for row in after if old.get(row[:2]) != row], old.keys() - new.keys()
    sent = compare(before, after)
    if len(changed) + len(gone) >= len(after) / 2:
        assert sent is None
        return
    assert sent is not None
    assert (sent.rows, sent.removed_rows, sent.total) == (len(changed), len(gone), len(after))
    assert Counter(read(sent.table.path)) == Counter(changed)
    assert set(read(sent.removed.path) if sent.removed is not None else ()) == gone
    assert applied(before, sent) == Counter(after)


@given(before=ODD_ROWS, after=ODD_ROWS)
@example(before=[(1, "a", None, None)] * 2, after=[(1, "a", None, None)])
@example(before=[(1, None, None, None)], after=[])
@settings(max_examples=60, deadline=None)
def test_keys_that_are_not_unique_or_null_are_not_sent_in_part_unless_the_result_is_exact(
    compare: Comparing, before: list[Row], after: list[Row]
) -> None:
    further = [(row[0] + 100, *row[1:]) for row in SAME]
    sent = compare(before + further, further + after)
    assert sent is None or applied(before + further, sent) == Counter(further + after)


def test_rows_that_would_not_be_those_of_the_feed_are_not_sent(compare: Comparing) -> None:
    """A row that is there twice and once in the feed; one with a null in its key that is gone."""
    assert compare([*SAME, SAME[0]], SAME) is None
    assert compare([*SAME, (1, None, None, None)], SAME) is None


def test_a_comparison_that_misses_a_row_is_found_out(compare: Comparing, monkeypatch: pytest.MonkeyPatch) -> None:
    after = [*SAME[:-1], (9, "a", Decimal("0.10"), None)]
    assert compare(SAME, after) is not None
    monkeypatch.setattr(module, "_all_equal", lambda _: "this.id = that.id")
    assert compare(SAME, after) is None


def test_files_of_changed_rows_have_the_types_and_comments_of_the_feed(compare: Comparing) -> None:
    sent = compare(SAME, [*SAME[1:], (1, "b", Decimal("0.10"), (1, None))])
    assert sent is not None
    assert pq.read_schema(sent.table.path).equals(
        pq.read_schema(sent.table.path.with_name("after.feed")), check_metadata=True
    )
    assert sent.table.comments == {"id": "the first part of the key"}
    assert read(sent.table.path) == [(1, "b", Decimal("0.10"), (1, None))]
    assert sent.removed is not None
    assert read(sent.removed.path) == [(0, "a")]
    assert sent.table.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("key", [(), ("id", "nowhere"), ("ids",)])
def test_without_a_key_that_can_be_compared_nothing_is_sent_in_part(compare: Comparing, key: tuple[str, ...]) -> None:
    assert compare(SAME, [*SAME, (1, "b", None, None)], key) is None


@pytest.mark.parametrize(
    ("name", "is_compared"),
    [
        ("id=7", True),
        ("part=x", True),
        ("value=1", True),
        ("o'brien", True),
        ("a[b]", False),
        ("a*", False),
        ("?", False),
    ],
)
def test_the_name_of_a_folder_changes_no_value(tmp_path: Path, name: str, is_compared: bool) -> None:
    folder = tmp_path / name
    folder.mkdir()
    after = [(1, "a", Decimal("0.25"), None), *SAME[2:]]
    with comparison(Settings(warehouse_dir=folder / "data"), folder) as connection:
        found = Comparing(connection, folder)([*SAME], after)
        assert (found is not None) == is_compared, "what cannot be named to DuckDB is sent as a whole"
    if found is not None and found.removed is not None:
        assert pq.ParquetFile(found.table.path).read().to_pylist() == [dict(zip(SCHEMA.names, after[0], strict=True))]
        assert pq.ParquetFile(found.removed.path).read().to_pylist() == [{"id": 0, "part": "a"}]
