"""A place of a lake that lost its files, or whose address cannot be read, is one line with the next step."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from referral_warehouse.cli.lake import locked_lake
from referral_warehouse.errors import ConfigurationError, LakeUnavailable
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.faults import lake_error
from tests.lake.lakes import differences, show, with_lake


def test_data_that_is_not_mounted_is_one_line(in_sqlite: Settings, tmp_path: Path) -> None:
    show(in_sqlite, 1)
    (tmp_path / "lake").rename(tmp_path / "away")
    (tmp_path / "lake").mkdir()
    with pytest.raises(LakeUnavailable, match=r"Cannot open file .*\.parquet") as found, locked_lake(in_sqlite):
        pass
    assert "its disk may not be connected" in found.value.next_step
    (tmp_path / "lake").rmdir()
    (tmp_path / "away").rename(tmp_path / "lake")
    with locked_lake(in_sqlite):
        pass
    assert differences(in_sqlite, 1) == []


@pytest.mark.parametrize(
    "text",
    ["attempt to write a readonly database", "[Errno 13] Permission denied: '/a/lake.sqlite.lock'",
     "[Errno 30] Read-only file system: '/a/lake.sqlite.lock'"],
)  # fmt: skip
def test_a_place_that_may_not_be_written_is_a_fault_of_the_settings(published: Settings, text: str) -> None:
    error = lake_error(duckdb.IOException(text), published, "The lake cannot be locked")
    assert error.exit_code == 2
    assert error.next_step.startswith("Give this user the right to write WAREHOUSE__LAKE_CATALOG")


def test_a_password_that_is_not_escaped_is_not_shown_as_a_database(published: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="CATALOG is not a valid address") as found:
        with_lake(published, "postgresql://loader:12/second-part@db/lake", tmp_path / "lake")
    assert "/ as %2F" in found.value.next_step
    assert "second-part" not in str(found.value)
