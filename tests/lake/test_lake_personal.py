"""Personal values in a lake: a change of them arrives although no feed shows it, and what was erased leaves it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from referral_warehouse.cli.lake import publish_lake
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake import catalog_file
from referral_warehouse.warehouse.lake.catalog_file import clean_catalog_file
from referral_warehouse.warehouse.lake.connection import METADATA, open_lake
from referral_warehouse.warehouse.lake.maintenance import maintain
from referral_warehouse.warehouse.lake.state import all_versions, lake_snapshots
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.snapshot_rewriting import rewrite_snapshots
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.lake.lakes import altered, differences_in, show_in
from tests.operate.deliveries import switch_to, without_grace

pytestmark = pytest.mark.usefixtures("few_models_in_module")  # a rewriting reads all models several times
HIDDEN = {"core.users": frozenset({"email", "first_name"})}
SECRET = "planted-4711@example.com"
EMAIL = "select email from lake.core.users where user_id = 1"


def change_email(settings: Settings, source: int, number: int, email: str) -> None:
    """A snapshot with another address, which no feed has."""
    altered(settings, source, number, f"update core.users set email = '{email}' where user_id = 1", hidden=HIDDEN)


def change_first_email(settings: Settings, email: str) -> None:
    """Snapshot 4 has an address; those before it are removed, since each that is kept would be rewritten."""
    change_email(settings, 1, 4, email)
    for number in (1, 2, 3):
        shutil.rmtree(settings.snapshots_dir / folder_name(number))


@contextmanager
def lake_with_the_address(settings: Settings) -> Iterator[Any]:
    """A lake of three publications, of which the second and the third have the address."""
    change_first_email(settings, "first@example.com")
    change_email(settings, 4, 5, SECRET)
    altered(settings, 5, 6, "update core.users set is_qualified = not is_qualified", hidden=HIDDEN)
    with open_lake(settings, create=True) as lake:
        assert lake is not None
        for number in (4, 5, 6):
            show_in(lake, settings, number)
        yield lake


def test_a_changed_address_is_in_the_lake_although_the_feeds_are_the_same(in_sqlite: Settings) -> None:
    change_email(in_sqlite, 1, 4, "first@example.com")
    change_email(in_sqlite, 4, 5, SECRET)
    feeds = [read_manifest(in_sqlite.snapshots_dir / folder_name(number) / "manifest.json") for number in (4, 5)]
    assert len({found["tables"]["core.users"]["checksum"] for found in feeds if found}) == 1
    with open_lake(in_sqlite, create=True) as lake:
        assert lake is not None
        show_in(lake, in_sqlite, 4)
        assert show_in(lake, in_sqlite, 5).written >= 1
        assert lake.execute(EMAIL).fetchall() == [(SECRET,)]
        assert differences_in(lake, in_sqlite, 5) == []
        assert show_in(lake, in_sqlite, 5).is_new is False


@pytest.mark.parametrize(
    ("pinned", "number"),
    [(frozenset(), 6), (frozenset({5}), 6), pytest.param(frozenset(), 7, marks=pytest.mark.full)],
    ids=["nothing pinned", "pinned", "published next"],
)
def test_what_was_erased_in_the_snapshots_leaves_every_version_and_file(
    in_sqlite: Settings, pinned: frozenset[int], number: int
) -> None:
    """Also where the lake shows another snapshot next, which was built afterwards and never had the values."""
    settings = without_grace(in_sqlite)
    with lake_with_the_address(settings) as lake:
        assert SECRET.encode() in data_bytes(settings), "the comparison can fail"

        rewrite_snapshots(settings, erase, "a person was forgotten")
        if number == 7:
            altered(settings, 6, 7, "update core.users set is_qualified = not is_qualified", hidden=HIDDEN)
            assert "rewritten" not in (read_manifest(settings.snapshots_dir / folder_name(7) / "manifest.json") or {})
        assert show_in(lake, settings, number).is_new
        done = maintain(lake, settings, pinned, compact=True, now=datetime.now(UTC) + timedelta(seconds=1))
        assert done.problems == ()
        assert [one.snapshot for one in lake_snapshots(lake)] == [number]
        for version in all_versions(lake):
            assert lake.execute(f"select count(email) from lake.core.users at (version => {version})").fetchone() == (
                0,
            )
        assert differences_in(lake, settings, number) == []
        maintain(lake, settings, pinned, compact=True, now=datetime.now(UTC) + timedelta(seconds=2))
    assert SECRET.encode() not in data_bytes(settings)


def erase(table: str, rows: pa.Table) -> pa.Table:
    """The rows of a table without addresses."""
    if table != "core.users":
        return rows
    place = rows.schema.get_field_index("email")
    return rows.set_column(place, rows.schema.field(place), pa.nulls(rows.num_rows, pa.string()))


def test_the_second_erasure_in_a_snapshot_leaves_the_lake_too(in_sqlite: Settings) -> None:
    """Its feeds are those of the first erasure, and so would be its manifest."""
    settings = without_grace(in_sqlite)
    change_first_email(settings, SECRET)
    with open_lake(settings, create=True) as lake:
        assert lake is not None
        show_in(lake, settings, 4)
        rewrite_snapshots(settings, lambda _table, rows: rows, "a person was forgotten")
        assert show_in(lake, settings).is_new
        rewrite_snapshots(settings, erase, "a person was forgotten")
        assert show_in(lake, settings).is_new
        assert differences_in(lake, settings, 4) == []
        assert show_in(lake, settings).is_new is False
        for seconds in (1, 2):
            maintain(lake, settings, set(), compact=True, now=datetime.now(UTC) + timedelta(seconds=seconds))
        assert lake.execute(EMAIL).fetchall() == [(None,)]
    assert SECRET.encode() not in data_bytes(settings)


def test_what_was_erased_leaves_the_free_space_of_the_catalog_too(settings: Settings) -> None:
    """The catalog has the least and the greatest address of each file; deleted rows stay in its file otherwise."""
    settings = without_grace(settings)
    change_first_email(settings, SECRET)
    switch_to(settings, 4)
    publish_lake(settings, lambda: None)
    assert SECRET.encode() in catalog_bytes(settings)
    rewrite_snapshots(settings, erase, "a person was forgotten")
    publish_lake(settings, lambda: None)
    assert SECRET.encode() not in catalog_bytes(settings)
    with open_lake(settings) as lake:
        assert lake is not None
        assert differences_in(lake, settings, 4) == []


def test_a_catalog_that_a_reader_holds_is_left_as_it_is_and_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = without_grace(settings)
    change_first_email(settings, SECRET)
    with open_lake(settings, create=True) as lake:
        assert lake is not None
        show_in(lake, settings, 4)
    catalog = settings.lake_catalog
    assert catalog is not None
    assert catalog.path is not None
    monkeypatch.setattr(catalog_file, "WAIT_FOR_READERS_S", 0.0)
    held = sqlite3.connect(catalog.path) if catalog.kind == "sqlite" else duckdb.connect(str(catalog.path))
    before = catalog.path.read_bytes()
    held.execute("begin")
    held.execute("select count(*) from ducklake_table").fetchone()
    problem = clean_catalog_file(settings)
    assert catalog.path.read_bytes() == before
    held.close()
    assert problem is not None
    assert "free space" in problem
    assert "\n" not in problem
    assert clean_catalog_file(settings) is None
    assert [path.name for path in catalog.path.parent.glob("lake.*")] == [catalog.path.name]


def catalog_bytes(settings: Settings) -> bytes:
    """All bytes of the file of the catalog, and of what is beside it."""
    assert settings.lake_catalog is not None
    assert settings.lake_catalog.path is not None
    path = settings.lake_catalog.path
    return b"".join(found.read_bytes() for found in path.parent.glob(f"{path.name}*"))


def data_bytes(settings: Settings) -> bytes:
    """All bytes of the data, and what the catalog says of values."""
    assert settings.lake_data is not None
    assert settings.lake_data.folder is not None
    files = [path for path in Path(settings.lake_data.folder).rglob("*") if path.is_file()]
    with open_lake(settings) as lake:
        assert lake is not None
        said = [
            lake.execute(f"select min_value, max_value from {METADATA}.{table}").fetchall()
            for table in ("ducklake_file_column_stats", "ducklake_table_column_stats")
        ]
    return b"".join(path.read_bytes() for path in files) + repr(said).encode()
