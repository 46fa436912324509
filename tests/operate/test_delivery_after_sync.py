"""Commands deliver feeds and tables after a publication; what fails is a warning, and what is missing comes later.

Failures and recoveries of deliveries are sent to receivers and measured, although no run fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.cli.feed_delivery import deliver_published
from referral_warehouse.operate.delivery_folder import DeliveryFolder
from referral_warehouse.settings import Settings
from referral_warehouse.settings.delivery_target import DeliveryTarget
from tests.account_server import AccountServer, user
from tests.operate.conftest import Run
from tests.operate.deliveries import names_in, read_folder
from tests.operate.receiver import Receiver
from tests.operate.test_announcements import metrics


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A server that receives the events ``delivery`` and ``recovery``."""
    with Receiver() as running:
        monkeypatch.setenv("NOTIFY__URL", running.url("hook"))
        monkeypatch.setenv("NOTIFY__EVENTS", "delivery,recovery")
        yield running


def test_a_sync_delivers_what_is_missing_and_failures_and_recoveries_are_sent_and_measured(
    synced: Settings, referrals: Run, account: AccountServer, receiver: Receiver, tmp_path: Path
) -> None:
    """Feeds to a folder, and tables to a destination; neither is in the way of the other."""
    target, database = tmp_path / "delivered", tmp_path / "away" / "analytics.duckdb"
    target.write_text("a file where the folder should be")
    places = {
        "WAREHOUSE__DELIVER_TO": str(target), "WAREHOUSE__DESTINATIONS": "analytics",
        "DESTINATION__ANALYTICS__DESTINATION_TYPE": "duckdb", "DESTINATION__ANALYTICS__CREDENTIALS": str(database),
    }  # fmt: skip
    account.lists["users"].append(user(9))
    failed = referrals("sync", **places)
    assert failed.code == 0
    feeds, tables = [line for line in failed.err.splitlines() if "not delivered" in line]
    assert str(target) in feeds
    assert "the next sync tries again" in feeds
    assert "the tables were not delivered to analytics: " in tables
    assert "readers there keep what they have, and the next sync tries again" in tables
    assert referrals("sync", **places).code == 0
    [first] = receiver.received
    assert first.json["events"] == ["delivery", "delivery"], "the second sync has no news"
    assert "The delivery (feeds) failed: to " in first.json["text"]
    assert "The delivery (tables to analytics) failed: The tables cannot be delivered" in first.json["text"]
    failing = metrics(synced)
    assert (failing["task_failures feeds"], failing["task_failures tables to analytics"]) == (2, 2)
    assert failing["task_failures erasure"] == 0
    shown = json.loads(referrals("status", "--json", **places).out)
    assert (shown["state"], shown["tasks"]["feeds"]["failures"]) == ("well", 2)
    status = " ".join(referrals("status", **places).out.split())
    assert "Not done: feeds, 2 runs in a row since " in status
    assert "Destination analytics: has nothing yet, not the published snapshot" in status

    assert referrals("deliver", **places).code == 4
    assert len(receiver.received) == 1, "the same failure again"
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
    recovered = receiver.received[1].json["text"]
    assert "(tables to analytics) succeeded again, after 3 runs" in recovered
    assert "(feeds) succeeded again, after 2 runs" in recovered
    assert metrics(synced)["task_failures feeds"] == 0
    well = json.loads(referrals("status", "--json", **places).out)
    assert well["destinations"] == [{"destination": "analytics", "snapshot": 2, "is_current": True, "problem": None}]
    assert "tasks" not in well

    database.parent.rename(tmp_path / "unplugged")
    assert referrals("deliver", **places).code == 4
    (tmp_path / "unplugged").rename(database.parent)
    assert referrals("deliver", **places).code == 0
    assert [got.json["events"] for got in receiver.received[2:]] == [["delivery"], ["recovery"]]
    assert "(tables to analytics) succeeded again, after 1 run" in receiver.received[3].json["text"]


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
