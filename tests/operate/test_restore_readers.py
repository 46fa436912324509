"""A reader that has followed the public link can open its file, although a restore switches it at that moment."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from referral_warehouse.operate.backup import make_backup
from referral_warehouse.operate.backup_directory import BackupDirectory
from referral_warehouse.operate.restore import restore_backup
from referral_warehouse.settings import Settings
from tests.operate.conftest import Run
from tests.operate.test_backup import PUBLISH


@pytest.mark.usefixtures("fewest_models")
def test_old_snapshots_stay_until_readers_have_opened_them(synced: Settings, referrals: Run, tmp_path: Path) -> None:
    backups = BackupDirectory(tmp_path / "backups")
    make_backup(synced, backups)
    assert referrals(*PUBLISH).code == 0
    followed = synced.warehouse_path.resolve()
    assert "000002" in followed.parts
    opened: list[float] = []

    def pause(seconds: float) -> None:
        assert "000001" in synced.warehouse_path.resolve().parts, "the link is switched before"
        with duckdb.connect(str(followed), read_only=True) as connection:
            connection.execute("from core.users").fetchall()
        opened.append(seconds)

    restore_backup(synced, backups, None, is_replacing=True, pause=pause)
    assert opened == [1.0]
    assert not followed.exists()
    assert referrals(*PUBLISH).code == 0
