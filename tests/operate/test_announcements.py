"""Whole commands with receivers: pings, alerts, metrics, and only a warning where a receiver is down."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text_format

from referral_warehouse.operate.outcome_log import OutcomeLog
from referral_warehouse.operate.outcomes import Start
from referral_warehouse.settings import Settings
from tests.account_server import AccountServer, user
from tests.operate.conftest import HOOK, PING, Run
from tests.operate.receiver import Receiver
from tests.operate.runs import FIRST, append_runs

REFUSED = (401, b'{"message": "Unauthenticated."}')


def metrics(settings: Settings) -> dict[str, Any]:
    """Name and labels → value, as both official parsers read the file."""
    text = (settings.state_dir / "metrics.prom").read_text(encoding="utf-8")
    read = [
        {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}
        for families in (read_openmetrics(text), read_text_format(text))
    ]
    assert read[0] == read[1]
    return {" ".join(key).removeprefix("referral_warehouse_"): value for key, value in read[0].items()}


def test_a_failure_and_the_recovery_are_sent_pinged_and_measured(
    referrals: Run, account: AccountServer, synced: Settings, receiver: Receiver
) -> None:
    account.errors["campaigns"] = account.errors["users"] = REFUSED
    assert [referrals("sync").code for _ in range(2)] == [3, 3]
    paths = [got.path for got in receiver.received]
    start, fail = f"/{PING}/start", f"/{PING}/fail"
    assert paths == [start, f"/{HOOK}", fail, start, fail], "the second failure is the same, and no news"
    alert = receiver.received[1].json
    assert alert["events"] == ["failure"]
    assert alert["run"]["error"] == "AuthenticationError"
    assert alert["run"]["exit_code"] == 3
    assert alert["directory"] == str(synced.warehouse_dir)
    assert receiver.received[2].body.startswith(b"sync: ")
    failing = metrics(synced)
    assert (failing["last_run_success sync"], failing["failures"]) == (0, 2)
    assert (failing["last_run_exit_code sync"], failing["snapshot"]) == (3, 1)
    receiver.received.clear()

    account.errors.clear()
    account.lists["users"].append(user(9, qualified=True, qualified_at="2099-01-01T00:00:00Z"))
    assert referrals("sync").code == 0
    assert [got.path for got in receiver.received] == [start, f"/{HOOK}", f"/{PING}"]
    sent = receiver.received[1].json
    assert sent["events"] == ["recovery", "warnings"]
    assert sent["details"][1]["checks"]
    assert all(name.startswith("warn_") for name in sent["details"][1]["checks"])
    everything = b"".join(got.body for got in receiver.received)
    for secret in ("tok-5e1f0a77c3", HOOK, PING):
        assert secret.encode() not in everything
        assert secret not in (synced.state_dir / "outcomes.jsonl").read_text()
    well = metrics(synced)
    assert (well["last_run_success sync"], well["failures"], well["strikes"]) == (1, 0, 0)
    assert well["stream_rows users"] == 4
    assert well["table_rows core.users"] == 4
    assert well["last_run_calls sync"] > 0
    assert well["last_run_duration_seconds sync"] > 0
    assert abs(well["last_success_timestamp_seconds"] - datetime.now(UTC).timestamp()) < 600
    with duckdb.connect(str(synced.warehouse_path), read_only=True) as connection:
        owed = connection.execute("select unit, sum(owed_value) from marts.reward_liability group by unit").fetchall()
    assert {unit: well[f"owed_value {unit}"] for unit, _ in owed} == {unit: float(value) for unit, value in owed} != {}
    assert oct((synced.state_dir / "metrics.prom").stat().st_mode)[-3:] == "600"


def test_receivers_that_are_down_are_named_once_each(
    referrals: Run, synced: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{HOOK}"
    monkeypatch.setenv("NOTIFY__URL", url)
    monkeypatch.setenv("NOTIFY__PING_URL", url)
    monkeypatch.setenv("NOTIFY__COMMAND", "false")
    OutcomeLog(synced.state_dir).append(Start("r", "publish", "2026-01-05T08:00:00Z"))
    done = referrals("sync")
    assert done.code == 0
    warnings = [line for line in done.err.splitlines() if "NOTIFY" in line]
    named = [word.strip(";") for line in warnings for word in line.split() if word.startswith("NOTIFY__")]
    assert sorted(named) == ["NOTIFY__COMMAND", "NOTIFY__PING_URL", "NOTIFY__URL"]
    assert HOOK not in done.err


def test_a_killed_run_is_reported_by_the_next_one(referrals: Run, synced: Settings, receiver: Receiver) -> None:
    OutcomeLog(synced.state_dir).append(Start("r", "sync", "2026-01-05T08:00:00Z"))
    assert referrals("load").code == 0
    [sent] = receiver.received
    assert (sent.json["events"], sent.json["run"]["result"]) == (["failure"], "killed")


def test_a_run_that_cannot_begin_is_reported(referrals: Run, settings: Settings, receiver: Receiver) -> None:
    assert referrals("sync", SOURCES__REFERRAL_FACTORY__API_TOKEN="").code == 2
    assert [got.path for got in receiver.received] == [f"/{HOOK}", f"/{PING}/fail"]
    assert not settings.warehouse_dir.exists()


def test_only_the_chosen_events_are_sent(referrals: Run, settings: Settings, receiver: Receiver) -> None:
    assert referrals("build", NOTIFY__EVENTS="recovery").code == 2
    assert [got.path for got in receiver.received] == [f"/{PING}/fail"]


def test_stale_data_is_reported_once_until_it_is_fresh_again(
    referrals: Run, synced: Settings, receiver: Receiver
) -> None:
    (synced.state_dir / "outcomes.jsonl").unlink()
    append_runs(OutcomeLog(synced.state_dir), [("sync", "ok")])
    for _ in range(2):
        assert referrals("status", "--max-age", "1h").code == 4
    assert receiver.received == [], "status tells nobody unless it is asked to"
    for _ in range(3):
        assert referrals("status", "--max-age", "1h", "--notify").code == 4
    [sent] = receiver.received
    assert sent.json["events"] == ["stale"]
    assert "1 h are allowed" in sent.json["text"]
    assert referrals("status", "--max-age", "3660d", "--notify").code == 0
    assert len(receiver.received) == 1
    append_runs(OutcomeLog(synced.state_dir), [("sync", "failed"), ("sync", "failed")])
    (synced.state_dir / "stale-notified").unlink()
    assert referrals("status", "--max-age", "1h", "--notify").code == 4
    assert len(receiver.received) == 2
    assert referrals("status", "--notify").code == 2


def test_metrics_that_cannot_be_written_are_a_warning(
    referrals: Run, synced: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device", str(synced.state_dir / "metrics.prom"))

    monkeypatch.setattr("referral_warehouse.operate.metrics.write_regular", refuse)
    done = referrals("sync")
    assert done.code == 0
    assert done.err.count("metrics.prom could not be written") == 1


def test_metrics_of_units_with_odd_names_are_read_back(tmp_path: Path) -> None:
    from prometheus_client import CollectorRegistry
    from prometheus_client.openmetrics.exposition import generate_latest

    from referral_warehouse.operate.metrics import _add

    names = ['type:"x"\n\\', "{a=b}", "é ☕", "", " ", "# EOF"]
    registry = CollectorRegistry()
    _add(registry, "owed_value", "Value.", [({"unit": name}, 1.5) for name in names])
    text = generate_latest(registry).decode()
    found = {sample.labels["unit"] for family in read_openmetrics(text) for sample in family.samples}
    assert found == set(names)


def test_the_demo_sends_nothing(referrals: Run, settings: Settings, receiver: Receiver) -> None:
    settings.warehouse_dir.mkdir()
    settings.load_path.write_bytes(b"")  # a directory of a real account: the demo refuses it
    assert referrals("demo", "--days", "1").code == 2
    assert receiver.received == []
    assert json.loads((settings.state_dir / "outcomes.jsonl").read_text().splitlines()[-1])["command"] == "demo"
    assert FIRST.year == 2026
