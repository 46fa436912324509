"""Files that a lake needs and that are gone: one line says which, and nothing is blamed that is whole."""

from __future__ import annotations

import pytest

from referral_warehouse.cli.lake import locked_lake
from referral_warehouse.errors import LakeUnavailable, SnapshotDamaged
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.lake.connection import open_lake
from referral_warehouse.warehouse.lake.migration import Migration, compare_history, take_history
from referral_warehouse.workspace.current_snapshot import folder_name


def test_data_that_is_not_there_is_one_line_before_anything_is_read(in_sqlite: Settings) -> None:
    with open_lake(in_sqlite, create=True) as lake:
        assert lake is not None
        take_history(lake, in_sqlite, lambda: None)
    folder = in_sqlite.lake_data.folder if in_sqlite.lake_data is not None else None
    assert folder is not None
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(LakeUnavailable) as refused, locked_lake(in_sqlite):
        pass
    assert str(folder) in refused.value.message
    assert "its disk may not be connected" in refused.value.next_step
    folder.with_name("elsewhere").rename(folder)
    with locked_lake(in_sqlite):
        pass


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
