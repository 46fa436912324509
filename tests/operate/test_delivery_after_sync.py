"""Commands deliver feeds and tables after a publication; what fails is a warning, and what is missing comes later."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
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
    """Feeds to a folder, and tables to a destination; neither is in the way of the other."""
    target, database = tmp_path / "delivered", tmp_path / "away" / "analytics.duckdb"
    target.write_text("a file where the folder should be")
    places = {
        "WAREHOUSE__DELIVER_TO": str(target), "WAREHOUSE__DESTINATIONS": "analytics",
        "DESTINATION__ANALYTICS__DESTINATION_TYPE": "duckdb", "DESTINATION__ANALYTICS__CREDENTIALS": str(database),
    }  # fmt: skip
    failed = referrals("publish", **places)
    assert failed.code == 0
    feeds, tables = [line for line in failed.err.splitlines() if "not delivered" in line]
    assert str(target) in feeds
    assert "the next sync tries again" in feeds
    assert "the tables were not delivered to analytics: " in tables
    assert "readers there keep what they have, and the next sync tries again" in tables
    status = referrals("status", **places)
    assert "Destination analytics: has nothing yet, not the published snapshot" in " ".join(status.out.split())
    target.unlink()
    database.parent.mkdir()
    idle = referrals("sync", "--json", **places)
    assert idle.code == 0, idle.err
    assert sorted(path.name for path in synced.snapshots_dir.iterdir()) == ["000001", "000002"], "nothing new"
    manifest = read_folder(target)
    assert manifest is not None
    assert manifest["snapshot"] == 2
    assert "marts.reward_ledger" in manifest["tables"]
    with duckdb.connect(str(database), read_only=True) as connection:
        assert connection.execute("select snapshot from referrals.ops_published").fetchall() == [(2,)]
        [[count]] = connection.execute("select count(*) from referrals.marts_reward_ledger").fetchall()
        assert count == manifest["tables"]["marts.reward_ledger"]["rows"]
    shown = json.loads(referrals("status", "--json", **places).out)["destinations"]
    assert shown == [{"destination": "analytics", "snapshot": 2, "is_current": True, "problem": None}]


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
