"""A lake keeps what retention and pins keep, and nothing else; no file is removed that a version still needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.connection import METADATA, open_lake
from referral_warehouse.warehouse.lake.maintenance import ORPHAN_AGE, Maintenance, maintain
from referral_warehouse.warehouse.lake.state import lake_snapshots
from tests.lake.lakes import data_files, differences_in, show_in
from tests.operate.deliveries import without_grace


@contextmanager
def shown_thrice(settings: Settings, *numbers: int) -> Iterator[Any]:
    with open_lake(settings, create=True) as lake:
        assert lake is not None
        for number in numbers or (1, 2, 3):
            show_in(lake, settings, number)
        yield lake


def kept(lake: Any) -> list[int]:
    return [one.snapshot for one in lake_snapshots(lake)]


def needed_files(lake: Any, settings: Settings) -> set[str]:
    """The files that some version needs."""
    rows = lake.execute(
        f"select schemas.path || tables.path || files.path from {METADATA}.ducklake_data_file as files "
        f"join {METADATA}.ducklake_table as tables using (table_id) "
        f"join {METADATA}.ducklake_schema as schemas using (schema_id)"
    ).fetchall()
    return {f"{settings.lake_data}/{row[0]}" for row in rows}


def test_what_retention_does_not_keep_is_forgotten_and_its_files_are_removed(in_sqlite: Settings) -> None:
    settings = without_grace(in_sqlite)
    with shown_thrice(settings) as lake:
        assert kept(lake) == [1, 2, 3]
        done = maintain(lake, settings, {1}, compact=True)
        assert (done.expired, done.problems) == (2, ())  # the second publication, and the empty lake
        assert done.removed > 0
        assert kept(lake) == [1, 3]
        assert differences_in(lake, settings, 1, "at (version => 1)") == []
        assert differences_in(lake, settings, 3) == []
        assert data_files(settings) == needed_files(lake, settings)
        assert maintain(lake, settings, {1}, compact=True) == Maintenance(0, 0)
        assert maintain(lake, settings, set(), compact=False).expired == 1
        assert kept(lake) == [3]
        assert differences_in(lake, settings, 3) == []


def test_what_was_replaced_a_moment_ago_stays_until_its_time_is_over(in_sqlite: Settings) -> None:
    settings = replace(in_sqlite, keep_snapshots=1, snapshot_grace_minutes=60)
    with shown_thrice(settings) as lake:
        files, now = data_files(settings), datetime.now(UTC)
        assert maintain(lake, settings, set(), compact=True, now=now + timedelta(minutes=59)).removed == 0
        assert kept(lake) == [1, 2, 3]
        later = now + timedelta(minutes=61)
        assert maintain(lake, settings, set(), compact=True, now=later).problems == ()
        assert kept(lake) == [3]
        maintain(lake, settings, set(), compact=True, now=later + timedelta(minutes=61))
        assert data_files(settings) < files
        assert differences_in(lake, settings, 3) == []


def test_leftovers_of_killed_publications_are_removed_when_they_are_old(in_sqlite: Settings) -> None:
    with shown_thrice(in_sqlite, 1) as lake:
        leftover = Path(min(data_files(in_sqlite))).with_name("ducklake-of-a-killed-run.parquet")
        leftover.write_bytes(b"half")
        assert maintain(lake, in_sqlite, set(), compact=True).problems == ()
        assert leftover.exists()
        old = (datetime.now(UTC) - ORPHAN_AGE - timedelta(minutes=1)).timestamp()
        os.utime(leftover, (old, old))
        assert maintain(lake, in_sqlite, set(), compact=False).removed == 0
        assert maintain(lake, in_sqlite, set(), compact=True) == Maintenance(0, 1)
        assert not leftover.exists()
        assert data_files(in_sqlite) == needed_files(lake, in_sqlite)


def test_files_of_somebody_else_are_never_removed(in_sqlite: Settings, tmp_path: Path) -> None:
    with shown_thrice(in_sqlite, 1) as lake:
        old = (datetime.now(UTC) - timedelta(days=9)).timestamp()
        leftover = Path(min(data_files(in_sqlite))).with_name("ducklake-of-a-killed-run.parquet")
        theirs = [
            tmp_path / "lake" / "theirs.parquet",
            tmp_path / "lake" / "other" / "core" / "users" / "ducklake-1.parquet",
        ]
        for path in (leftover, *theirs):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"theirs")
            os.utime(path, (old, old))
        done = maintain(lake, in_sqlite, set(), compact=True)
        assert "is not a file of this lake" in done.problems[0]
        assert all(path.exists() for path in (leftover, *theirs))


def test_small_files_are_merged_and_the_versions_stay(in_sqlite: Settings) -> None:
    with shown_thrice(in_sqlite, 1) as lake:
        for _ in range(3):
            lake.execute("insert into lake.core.users from lake.core.users limit 1")
        assert maintain(lake, in_sqlite, set(), compact=True).problems == ()
        [(files,)] = lake.execute(
            "select count(*) from ducklake_list_files('lake', 'users', schema => 'core')"
        ).fetchall()
        assert files == 1
        assert lake.execute("select count(*) from lake.core.users").fetchone() == (4,)
        assert differences_in(lake, in_sqlite, 1, "at (version => 1)") == []
        show_in(lake, in_sqlite, 2)
        assert differences_in(lake, in_sqlite, 2) == []
