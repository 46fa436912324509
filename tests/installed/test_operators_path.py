"""The path of an operator, from an empty machine to readers: each step with the installed program and real servers."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from referral_warehouse.sandbox import Sandbox
from tests.installed.environment import Installed
from tests.operate.receiver import Receiver

WRONG = "a-token-that-is-none"
SYSTEMD = shutil.which("systemd-analyze")


class Server:
    """The machine of an operator: a folder, and the program with nothing in its environment but a home."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        self._installed = installed
        self.folder, self.data = folder, folder / "data"
        self.folder.mkdir()

    def referrals(
        self, *arguments: str, given: str | None = None, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self._installed.run(
            *arguments, cwd=folder or self.folder, environ={"HOME": str(self.folder.parent)}, given=given
        )

    def write_settings(self, sandbox: Sandbox, receiver: Receiver) -> None:
        (self.folder / ".dlt").mkdir()
        (self.folder / ".dlt" / "config.toml").write_text(
            f'[sources.referral_factory]\nbase_url = "{sandbox.base_url}"\n'
            "calls_per_minute = 0\nsimulated_time = true\n"
            f'[notify]\nurl = "{receiver.url("hook")}"\nping_url = "{receiver.url("ping")}"\n'
        )

    def start_unit(self, unit: Path) -> subprocess.CompletedProcess[str]:
        """What systemd runs: the command of the unit in its folder, with its variables alone."""
        lines = [line.partition("=") for line in unit.read_text().splitlines()]
        values = {name: value for name, _, value in lines if name in ("ExecStart", "WorkingDirectory")}
        [variable] = [value for name, _, value in lines if name == "Environment"]
        name, _, value = shlex.split(variable)[0].partition("=")
        return subprocess.run(
            shlex.split(values["ExecStart"]), cwd=values["WorkingDirectory"], capture_output=True, text=True,
            check=False, env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder.parent), name: value},
        )  # fmt: skip


@pytest.fixture
def server(installed: Installed, tmp_path: Path) -> Server:
    return Server(installed, tmp_path / "srv")


def events_of(receiver: Receiver) -> list[str]:
    """The events that were sent so far, and the pings by their last part; then they are forgotten."""
    found = [
        "+".join(one.json["events"]) if one.path == "/hook" else one.path for one in receiver.received
    ]  # fmt: skip
    receiver.received.clear()
    return found


def test_the_path_of_an_operator(server: Server, sandbox: Sandbox, tmp_path: Path) -> None:
    with Receiver() as receiver:
        server.write_settings(sandbox, receiver)
        _status_reports_that_nothing_is_published(server)
        _the_token_is_asked_for_and_tried(server, sandbox)
        unit = _units_are_printed_and_verified(server, tmp_path / "units")
        first = server.start_unit(unit)
        assert first.returncode == 0, first.stderr
        assert json.loads(first.stdout)["published"] is True
        assert f'"directory":"{server.data}"' in first.stderr.replace(": ", ":")
        assert events_of(receiver)[:2] == ["/ping/start", "/ping"]
        _an_idle_sync_leaves_one_time_of_the_data(server, unit)
        events_of(receiver)
        _a_failure_is_noticed(server, unit, receiver)
        _a_new_directory_is_reported(server, tmp_path / "elsewhere")
        events_of(receiver)
        _the_recovery_is_noticed(server, unit, receiver, sandbox)
        _metrics_are_what_the_official_parser_reads(server)


def _status_reports_that_nothing_is_published(server: Server) -> None:
    status = server.referrals("status")
    assert (status.returncode, status.stderr) == (4, "")
    assert "Not well: nothing is published yet." in status.stdout
    assert not server.data.exists()


def _the_token_is_asked_for_and_tried(server: Server, sandbox: Sandbox) -> None:
    refused = server.referrals("init", given=f"{WRONG}\n")
    assert (refused.returncode, WRONG in refused.stdout + refused.stderr) == (3, False)
    secrets = server.folder / ".dlt" / "secrets.toml"
    assert not secrets.exists()
    done = server.referrals("init", given=f"{sandbox.token}\n")
    assert done.returncode == 0, done.stderr
    assert sandbox.token not in done.stdout + done.stderr
    assert secrets.stat().st_mode & 0o777 == 0o600


def _units_are_printed_and_verified(server: Server, folder: Path) -> Path:
    done = server.referrals("schedule", "--systemd", "--every", "15m", "--write", str(folder))
    assert done.returncode == 0, done.stderr
    units = sorted(folder.iterdir())
    if SYSTEMD is not None:
        verified = subprocess.run([SYSTEMD, "verify", *units], capture_output=True, text=True, check=False)
        assert (verified.returncode, verified.stderr) == (0, "")
    return units[0]


def _an_idle_sync_leaves_one_time_of_the_data(server: Server, unit: Path) -> None:
    before = json.loads((server.data / "manifest.json").read_text())
    idle = json.loads(server.start_unit(unit).stdout)
    assert idle["published"] is False
    after = json.loads((server.data / "manifest.json").read_text())
    with duckdb.connect(str(server.data / "warehouse.duckdb"), read_only=True) as connection:
        [[newest]] = connection.sql("select max(observed_at) from ops.runs").fetchall()
    assert after["synced_at"] == before["synced_at"] == f"{newest.isoformat()}Z"
    assert after["current_at"] == f"{idle['observed_at']}Z"


def _a_failure_is_noticed(server: Server, unit: Path, receiver: Receiver) -> None:
    secrets = server.folder / ".dlt" / "secrets.toml"
    right = secrets.read_text()
    secrets.write_text(f'[sources.referral_factory]\napi_token = "{WRONG}"\n')
    failed = server.start_unit(unit)
    assert failed.returncode == 3
    assert events_of(receiver) == ["/ping/start", "failure", "/ping/fail"]
    status = server.referrals("status")
    assert status.returncode == 3
    assert "Failing: the last run did not succeed" in status.stdout
    assert "Last failure: sync" in status.stdout
    assert "Next: Copy the current token" in status.stdout
    assert WRONG not in failed.stdout + failed.stderr + status.stdout
    assert server.referrals("status", "--max-age", "3h").returncode == 0, "the data itself is fresh"
    secrets.write_text(right)


def _a_new_directory_is_reported(server: Server, folder: Path) -> None:
    shutil.copytree(server.folder / ".dlt", folder / ".dlt")
    (folder / ".dlt" / "secrets.toml").write_text(f'[sources.referral_factory]\napi_token = "{WRONG}"\n')
    status = server.referrals("status", folder=folder)
    assert f"Directory: {folder / 'data'}\n" in status.stdout
    assert str(folder / ".dlt" / "config.toml") in status.stdout
    assert "There is no warehouse in this directory yet" in status.stdout
    begun = server.referrals("sync", folder=folder)
    assert begun.returncode == 3
    assert f"Created a new warehouse directory: {folder / 'data'}" in begun.stderr
    assert "another working directory uses another one" in begun.stderr


def _the_recovery_is_noticed(server: Server, unit: Path, receiver: Receiver, sandbox: Sandbox) -> None:
    recovered = server.start_unit(unit)
    assert recovered.returncode == 0, recovered.stderr
    assert sorted(events_of(receiver)) == ["/ping", "/ping/start", "recovery"]
    status = server.referrals("status", "--json")
    assert status.returncode == 0, status.stderr
    found = json.loads(status.stdout)
    assert (found["state"], found["failures"], found["last_failure"]) == ("well", 0, None)
    assert found["directory"] == str(server.data)
    assert sandbox.token not in status.stdout


def _metrics_are_what_the_official_parser_reads(server: Server) -> None:
    text = (server.data / "state" / "metrics.prom").read_text()
    found = {family.name: family for family in text_string_to_metric_families(text)}
    [success] = found["referral_warehouse_last_run_success"].samples
    assert (success.labels, success.value) == ({"command": "sync"}, 1)
    rows = {one.labels["table"]: one.value for one in found["referral_warehouse_table_rows"].samples}
    manifest = json.loads((server.data / "manifest.json").read_text())
    assert rows == {name: table["rows"] for name, table in manifest["tables"].items()}
