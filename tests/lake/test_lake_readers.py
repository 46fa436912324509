"""Processes that read a lake while it is published to and maintained: no error, and nothing torn."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.connection import open_lake
from referral_warehouse.warehouse.lake.maintenance import maintain
from tests.lake.lakes import altered, environ_of, show, show_in
from tests.lake.readers import FURTHER_USERS, QUERIES
from tests.operate.deliveries import switch_to
from tests.reader_processes import reading


def numbered(settings: Settings, numbers: range, further_users: int = 0) -> None:
    """Snapshots whose tables all say their number: values of two tables, and as many users beside the further ones."""
    for number in numbers:
        altered(
            settings, 1, number,
            f"insert into core.campaigns by name select 1 as campaign_id, {number} as reach",
            "insert into core.users by name select range + 2 as user_id, range % 40 as campaign_id, "
            f"range % 3 = 0 as is_qualified, {number} as reach from range({further_users + number - 1})",
        )  # fmt: skip


def environ_of_readers(settings: Settings, catalog: str | Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOURCES__", "WAREHOUSE__"))}
    return kept | environ_of(settings, catalog)


def read_while_publishing(
    settings: Settings, catalog: str | Path, readers: int, publications: int, further_users: int = 0,
    pause_s: float = 0,
) -> None:  # fmt: skip
    """Publish, and maintain with a retention of three; print a table of how long the queries took."""
    numbered(settings, range(4, 5 + publications), further_users)
    show(settings, 4)
    environ = environ_of_readers(settings, catalog)
    with (
        reading("tests.lake.readers", str(pause_s), environ=environ, readers=readers) as reports,
        open_lake(settings) as lake,
    ):
        assert lake is not None
        for number in range(5, 5 + publications):
            show_in(lake, settings, number)
            assert maintain(lake, settings, set(), compact=True).problems == ()
    print_latencies(reports)
    assert [error for report in reports for error in report["errors"]] == []
    assert max(len(report["seen"]) for report in reports) > 1


def print_latencies(reports: list[dict[str, Any]]) -> None:
    """The rows of the table in docs/lake.md: of each query how often it was asked, and how long it took."""
    sys.stdout.write("\n| query | asked | median | 95 % within | slowest |\n|---|---|---|---|---|\n")
    for name in QUERIES:
        seconds = sorted(second for report in reports for second in report["seconds"][name])
        median, most, slowest = (seconds[int((len(seconds) - 1) * share)] for share in (0.5, 0.95, 1))
        sys.stdout.write(f"| {name} | {len(seconds):,} | {median:.2f} s | {most:.2f} s | {slowest:.2f} s |\n")


def test_readers_of_a_file_see_whole_snapshots(in_sqlite: Settings, tmp_path: Path) -> None:
    read_while_publishing(in_sqlite, tmp_path / "lake.sqlite", readers=2, publications=3, pause_s=0.01)


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
    read_while_publishing(in_postgres, address, 16, 20, FURTHER_USERS)


@pytest.mark.full
def test_eight_readers_of_a_file_see_whole_snapshots(in_sqlite: Settings, tmp_path: Path) -> None:
    read_while_publishing(in_sqlite, tmp_path / "lake.sqlite", 8, 20, FURTHER_USERS)
