"""What the directory is called has no influence on what dlt and DuckDB load into it, read back and export."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.records.coercion import coerce
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.load.storage.load_pipeline import LoadPipeline
from referral_warehouse.sql_quoting import literal
from referral_warehouse.warehouse.exports import write_feeds
from referral_warehouse.workspace.directories import UNUSABLE
from tests.sampling import sampled

FETCHED = datetime(2026, 1, 5, 8)  # noqa: DTZ001 - times are naive UTC in the load file
USER: dict[str, Any] = {
    "id": 5, "campaign_id": 1, "referrer_id": None, "qualified": False, "qualified_at": None, "unsubscribed": False,
    "unsubscribed_at": None, "first_name": "Ann", "email": "ann@example.com", "code": "k5", "reach": 3,
    "referrals_count": 0, "converted_referrals_count": 0, "source": "Api", "date": "2026-01-02T10:00:00.000000Z",
    "url": "https://example.com/u", "meta": {}, "sharing": {},
}  # fmt: skip
RIGHT = [(5, 1, "ann@example.com", datetime(2026, 1, 2, 10), 3)]  # noqa: DTZ001 - as above
COLUMNS = "id, campaign_id, email, date, reach"
PARTITIONS = [
    "date=2020-05-05", "campaign_id=7", "email=a@b.example", "id=9", "year=2026", "reach=", "ID=4", "_dlt_id=x",
    "_fetched_at=2001-01-01", "filename=x", "email=__HIVE_DEFAULT_PARTITION__", "a=b=c", "=", "email=o'brien [x]",
]  # fmt: skip
ASCII = [chr(code) for code in range(1, 128) if chr(code) not in UNUSABLE and not chr(code).isalnum() and code != 47]
SPECIAL = [
    *(f"a{''.join(ASCII[at : at + 8])}b" for at in range(0, len(ASCII), 8)),
    "[a]", "**", "\\*", "a\\[b*", "{a,b}", "{}", "-x", "--", "; drop table raw.users; --", "' or 1=1", "$HOME",
    ":memory:", "md:x", "file:x", "s3:", "caf\u00e9", "cafe\u0301", "\u202eabc", "\u2028", "\ufeffx", "\U0001f600",
    "x" * 200, "\u00fc" * 127, "x.duckdb", "x.parquet", " in and out ", "~",
]  # fmt: skip
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0?%") | st.sampled_from(list("*[]\\'\"={}!^-")),
    min_size=1, max_size=12,
).filter(lambda name: name not in (".", ".."))  # fmt: skip


def load_and_read(directory: Path) -> list[tuple[Any, ...]]:
    """Load one user into a new directory, open the file again as a reader does, and export it."""
    with LoadFile(directory / "load.duckdb") as load_file:
        pipeline = LoadPipeline(load_file, directory / "state", TABLES)
        part = LoadBatch(states={"users": {"cursors": {"date": "2026-01-02T10:00:00"}}})
        part.add(TABLES["users"], coerce(TABLES["users"], [USER], FETCHED, "users").table)
        pipeline.commit(part)
        assert pipeline.state("users") == part.states["users"]
    with duckdb.connect() as connection:
        connection.execute(f"set temp_directory = {literal(directory / 'tmp')}")
        connection.execute(f"attach {literal(directory / 'load.duckdb')} as load (read_only)")
        connection.execute(f"attach {literal(directory / 'warehouse.duckdb')} as draft")
        connection.execute("create schema draft.core")
        connection.execute(f"create table draft.core.users as select {COLUMNS} from load.raw.users")
        rows = connection.execute("from draft.core.users").fetchall()
        (feed,) = write_feeds(connection, "draft", directory)
    with (directory / feed.file_name).open("rb") as stream:
        read = [tuple(row.values()) for row in pq.ParquetFile(stream).read().to_pylist()]
    in_utc = [
        tuple(value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for value in row) for row in rows
    ]
    assert read == in_utc
    return rows


@pytest.mark.parametrize("name", sampled(PARTITIONS, 1))
def test_a_folder_named_like_a_partition_changes_no_value(tmp_path: Path, name: str) -> None:
    assert load_and_read(tmp_path / name / "data") == RIGHT


@pytest.mark.parametrize("name", sampled(SPECIAL, 2), ids=ascii)
def test_every_character_works(tmp_path: Path, name: str) -> None:
    assert load_and_read(tmp_path / name / "data") == RIGHT


@settings(max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate])  # shrinking takes minutes
@given(outer=NAMES, inner=NAMES)
def test_any_two_names_work(tmp_path_factory: pytest.TempPathFactory, outer: str, inner: str) -> None:
    try:
        directory = tmp_path_factory.mktemp("names") / outer / inner
        directory.mkdir(parents=True)
    except OSError:
        return  # no name for this file system
    assert load_and_read(directory) == RIGHT
