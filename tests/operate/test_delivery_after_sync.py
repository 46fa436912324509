"""Commands deliver the feeds after a publication; what fails there is a warning, and what is missing comes later."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from referral_warehouse.cli.feed_delivery import deliver_published
from referral_warehouse.operate.delivery_folder import DeliveryFolder
from referral_warehouse.settings import Settings
from referral_warehouse.settings.delivery_target import DeliveryTarget
from tests.operate.conftest import Run
from tests.operate.deliveries import names_in, read_folder


def test_a_sync_delivers_what_is_published_and_the_next_one_what_is_missing(
    synced: Settings, referrals: Run, tmp_path: Path
) -> None:
    target = tmp_path / "delivered"
    target.write_text("a file where the folder should be")
    failed = referrals("publish", WAREHOUSE__DELIVER_TO=str(target))
    assert failed.code == 0
    [warning] = [line for line in failed.err.splitlines() if "not delivered" in line]
    assert str(target) in warning
    assert "the next sync tries again" in warning
    target.unlink()
    idle = referrals("sync", "--json", WAREHOUSE__DELIVER_TO=str(target))
    assert idle.code == 0, idle.err
    assert sorted(path.name for path in synced.snapshots_dir.iterdir()) == ["000001", "000002"], "nothing new"
    manifest = read_folder(target)
    assert manifest is not None
    assert manifest["snapshot"] == 2
    assert "marts.reward_ledger" in manifest["tables"]


def test_a_warning_has_one_line_and_no_password(
    synced: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise OSError('no connection to "https://user:hunter22@s3.example.com/bucket"\nsecond line')

    monkeypatch.setattr(DeliveryFolder, "read", fail)
    deliver_published(replace(synced, deliver_to=DeliveryTarget(tmp_path / "delivered")))
    [message] = [record.getMessage() for record in caplog.records]
    assert 'no connection to "https://***@s3.example.com/bucket" second line' in message
    assert len(message.splitlines()) == 1
    assert "hunter22" not in message


def test_without_the_extra_a_bucket_is_refused_before_anything_is_done(
    synced: Settings, referrals: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)  # as if it were not installed
    before = names_in(synced.warehouse_dir / "snapshots")
    for command in ("sync", "publish"):
        done = referrals(command, WAREHOUSE__DELIVER_TO="s3://bucket/prefix")
        assert done.code == 2
        [line] = done.err.splitlines()
        assert "s3://bucket/prefix" in line
        assert "pip install 'referral-warehouse[s3]'" in line
    assert names_in(synced.warehouse_dir / "snapshots") == before
    shown = referrals("config", WAREHOUSE__DELIVER_TO="s3://bucket/prefix/")
    assert 'deliver_to = "s3://bucket/prefix"' in shown.out
