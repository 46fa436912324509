"""Lakes of tests: settings for one, publications to make it show, and comparison with the files they come from."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.settings import Settings
from referral_warehouse.settings.delivery_target import DeliveryTarget
from referral_warehouse.settings.lake_target import LakeCatalogKind
from referral_warehouse.settings.sources import ENVIRONMENT, Found
from referral_warehouse.warehouse.exports import write_feeds
from referral_warehouse.warehouse.lake.connection import open_lake
from referral_warehouse.warehouse.lake.lock import lake_lock
from referral_warehouse.warehouse.lake.publication import LakePublication, publish_to_lake
from referral_warehouse.warehouse.lake.state import CONTROL
from referral_warehouse.warehouse.manifest import manifest_of, read_manifest, write_manifest
from referral_warehouse.warehouse.published_snapshot import published_snapshot
from referral_warehouse.workspace.access import Access
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.operate.deliveries import switch_to

PROJECT = Path(__file__).parents[2]
ONLY_CONTROL = set(CONTROL)


def with_lake(settings: Settings, catalog: str | Path, data: Path | DeliveryTarget) -> Settings:
    """The same settings, with a lake."""
    target = data if isinstance(data, DeliveryTarget) else DeliveryTarget(data)
    found = LakeCatalogKind().read("CATALOG", Found(str(catalog), ENVIRONMENT), Path("/"))
    return replace(settings, storage="ducklake", lake_catalog=found, lake_data=target)


def environ_of(settings: Settings, catalog: str | Path) -> dict[str, str]:
    """The variables that mean these settings; a password is in ``catalog`` alone."""
    return {
        "WAREHOUSE__DIR": str(settings.warehouse_dir), "WAREHOUSE__STORAGE": "ducklake",
        "WAREHOUSE__LAKE_CATALOG": str(catalog), "WAREHOUSE__LAKE_DATA": str(settings.lake_data),
    }  # fmt: skip


def show(settings: Settings, number: int | None = None) -> LakePublication:
    """Make the lake show the published snapshot, or another one that becomes it first."""
    with lake_lock(settings) as refuse_lost_lock, open_lake(settings, create=True) as lake:
        return show_in(lake, settings, number, refuse_lost_lock)


def show_in(
    lake: Any, settings: Settings, number: int | None = None, refuse_lost_lock: Callable[[], None] = lambda: None
) -> LakePublication:
    """``show``, in a connection that has the lake."""
    if number is not None:
        switch_to(settings, number)
    wanted = published_snapshot(settings)
    assert wanted is not None
    return publish_to_lake(lake, settings, wanted, refuse_lost_lock)


def altered(
    settings: Settings, source: int, number: int, *statements: str, hidden: Mapping[str, Collection[str]] | None = None
) -> None:
    """A snapshot that is another one after some statements, with feeds and checksums of its own.

    ``hidden`` has the columns that get no values in the feeds.
    """
    folder = settings.snapshots_dir / folder_name(number)
    shutil.copytree(settings.snapshots_dir / folder_name(source), folder)
    shutil.rmtree(folder / "feeds", ignore_errors=True)
    (folder / "feeds").mkdir()
    database, manifest = folder / "warehouse.duckdb", read_manifest(folder / "manifest.json")
    assert manifest is not None
    database.chmod(0o600)
    with duckdb.connect(str(database)) as connection:
        for statement in statements:
            connection.execute(statement)
        feeds = write_feeds(connection, "warehouse", folder / "feeds", hidden or {})
    write_manifest(folder / "manifest.json", manifest_of(number, manifest, feeds), Access(), is_frozen=True)


def differences(settings: Settings, number: int, at: str = "") -> list[str]:
    """In what the lake differs from a snapshot's file: rows, columns, types, comments; nothing where it is the same.

    Args: ``at`` is a clause such as ``at (version => 3)``; comments and types are compared without one only.
    """
    with open_lake(settings) as lake:
        assert lake is not None
        return differences_in(lake, settings, number, at)


def differences_in(lake: Any, settings: Settings, number: int, at: str = "") -> list[str]:
    """``differences``, in a connection that has the lake."""
    found = []
    lake.execute(
        f"attach '{settings.snapshots_dir / folder_name(number) / 'warehouse.duckdb'}' as snapshot (read_only)"
    )
    tables = lake.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'snapshot' order by 1"
    ).fetchall()
    assert len(tables) > 5
    for (name,) in tables:
        theirs, ours = (
            Counter(map(repr, lake.execute(query).fetchall()))  # as text: a NaN is not equal to itself
            for query in (f"from lake.{name} {at}", f"from snapshot.{name}")
        )
        if theirs != ours:
            found.append(f"{name}: {theirs - ours} instead of {ours - theirs}")
    if not at:
        found += _differences_of_descriptions(lake)
    lake.execute("detach snapshot")
    return found


def _differences_of_descriptions(lake: Any) -> list[str]:
    columns = (
        "select schema_name || '.' || table_name, column_name, column_index, data_type, comment from duckdb_columns()"
    )
    tables = "select schema_name || '.' || table_name, comment from duckdb_tables()"
    found = []
    for query in (columns, tables):
        one, other = (
            {
                row
                for row in lake.execute(f"{query} where database_name = ?", [name]).fetchall()
                if row[0] not in ONLY_CONTROL
            }
            for name in ("lake", "snapshot")
        )
        found += [f"{row}" for row in one ^ other]
    return found


def shown(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """Rows of a question to the lake, which is attached as ``lake``."""
    with open_lake(settings) as lake:
        assert lake is not None
        return lake.execute(query).fetchall()


def data_files(settings: Settings) -> set[str]:
    """The files of the data."""
    assert settings.lake_data is not None
    assert settings.lake_data.folder is not None
    return {str(path) for path in settings.lake_data.folder.rglob("*.parquet")}
