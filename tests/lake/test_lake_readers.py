"""Processes that read a lake while it is published to and maintained: no error, and nothing torn."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.connection import open_lake
from referral_warehouse.warehouse.lake.maintenance import maintain
from tests.lake.lakes import altered, environ_of, show, show_in
from tests.operate.deliveries import switch_to
from tests.reader_processes import reading


def numbered(settings: Settings, numbers: range) -> None:
    """Snapshots whose tables all say their number: values of two tables, and as many users."""
    for number in numbers:
        altered(
            settings, 1, number,
            f"insert into core.campaigns by name select 1 as campaign_id, {number} as reach",
            f"insert into core.users by name select range + 2 as user_id, {number} as reach from range({number - 1})",
        )  # fmt: skip


def environ_of_readers(settings: Settings, catalog: str | Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOURCES__", "WAREHOUSE__"))}
    return kept | environ_of(settings, catalog)


def read_while_publishing(settings: Settings, catalog: str | Path, readers: int, publications: int) -> None:
    """Publish, and maintain with a retention of three; print a table of how long the looks took."""
    numbered(settings, range(4, 5 + publications))
    show(settings, 4)
    environ = environ_of_readers(settings, catalog)
    with reading("tests.lake.readers", environ=environ, readers=readers) as reports, open_lake(settings) as lake:
        assert lake is not None
        for number in range(5, 5 + publications):
            show_in(lake, settings, number)
            assert maintain(lake, settings, set(), compact=True).problems == ()
    for report in reports:
        sys.stdout.write(
            f"reader: {report['looks']} looks, {len(report['errors'])} errors, {len(report['seen'])} snapshots, "
            f"median {report['median_s']:.3f} s, slowest {report['slowest_s']:.3f} s\n"
        )
    assert [error for report in reports for error in report["errors"]] == []
    assert max(len(report["seen"]) for report in reports) > 1


def test_readers_of_a_file_see_whole_snapshots(in_sqlite: Settings, tmp_path: Path) -> None:
    read_while_publishing(in_sqlite, tmp_path / "lake.sqlite", readers=2, publications=3)


def test_a_reader_that_stays_in_one_transaction_sees_one_snapshot(in_sqlite: Settings) -> None:
    show(in_sqlite, 1)
    with open_lake(in_sqlite) as reader:
        assert reader is not None
        reader.execute("begin")
        before = reader.execute("from lake.core.users").fetchall()
        for number in (2, 3):
            switch_to(in_sqlite, number)
            show(in_sqlite)
            assert reader.execute("from lake.core.users").fetchall() == before
        reader.execute("commit")
        assert len(reader.execute("from lake.core.users").fetchall()) == 2


@pytest.mark.full
def test_sixteen_readers_of_postgresql_see_whole_snapshots(in_postgres: Settings, address: str) -> None:
    read_while_publishing(in_postgres, address, readers=16, publications=20)


@pytest.mark.full
def test_eight_readers_of_a_file_see_whole_snapshots(in_sqlite: Settings, tmp_path: Path) -> None:
    read_while_publishing(in_sqlite, tmp_path / "lake.sqlite", readers=8, publications=20)
