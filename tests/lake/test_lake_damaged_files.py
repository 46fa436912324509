"""Snapshots that are copied into a lake and cannot be read: one line names the snapshot, and not the lake."""

from __future__ import annotations

import pytest

from referral_warehouse.errors import SnapshotDamaged
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.connection import open_lake
from referral_warehouse.warehouse.lake.migration import Migration, compare_history, take_history
from referral_warehouse.workspace.current_snapshot import folder_name


@pytest.mark.parametrize("is_written", [False, True])
def test_a_snapshot_that_cannot_be_read_is_named(in_sqlite: Settings, *, is_written: bool) -> None:
    database = in_sqlite.snapshots_dir / folder_name(1) / "warehouse.duckdb"
    with open_lake(in_sqlite, create=True) as lake:
        assert lake is not None
        if is_written:
            take_history(lake, in_sqlite, lambda: None)
        database.unlink()
        with pytest.raises(SnapshotDamaged, match="Snapshot 1 cannot be read as a whole") as refused:
            compare_history(lake, in_sqlite, Migration()) if is_written else take_history(lake, in_sqlite, lambda: None)
    assert f"remove the folder {database.parent}" in refused.value.next_step
