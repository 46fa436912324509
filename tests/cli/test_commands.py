"""The command line as a user runs it: real processes, exit codes, one line per error, one line of JSON."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from referral_warehouse.cli import COMMANDS, cli
from referral_warehouse.cli.commands.check import _token_files
from referral_warehouse.sandbox import Quirks, Sandbox
from tests.cli.conftest import FirstSync
from tests.cli.processes import LISTENING, PREFIX, Referrals

REFERENCE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_sentence_an_example_and_a_section_in_the_reference(name: str) -> None:
    said = CliRunner().invoke(cli, [name, "--help"]).output
    assert f"Example: referrals {name}" in said
    summary = COMMANDS[name][1]
    assert summary.endswith(".")
    assert len(summary) <= 80
    assert f"\n## `referrals {name}`\n" in REFERENCE


def test_help_needs_neither_dlt_nor_duckdb() -> None:
    code = "import sys; from referral_warehouse.cli import cli; cli.main(['--help'], standalone_mode=False); "
    code += "sys.exit(sorted(m for m in ('dlt', 'duckdb', 'pyarrow', 'httpx', 'rich', 'sqlglot') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() in ("", "[]")


@pytest.mark.usefixtures("synced")
def test_a_sync_says_one_line_of_json_and_publishes(first_sync: FirstSync, referrals: Referrals) -> None:
    [line] = first_sync.stdout.splitlines()
    facts = json.loads(line)
    assert facts["streams"]["users"]["api_count"] == facts["streams"]["users"]["rows_written"]
    with duckdb.connect(facts["warehouse"], read_only=True) as connection:
        users = connection.execute("select count(*) from core.users").fetchone()
    assert users == (facts["streams"]["users"]["api_count"],)
    again = json.loads(referrals("sync", "--json").stdout)
    assert again["rows_written"] == 0
    assert (again["published"], again["snapshot"]) == (False, 1), "nothing new: the published snapshot is still current"
    status = json.loads(referrals("status", "--json").stdout)
    assert status["snapshot"] == 1
    assert {run["status"] for run in status["runs"]} == {"done"}
    proof = {row["stream"]: row for row in status["streams"]}
    assert proof["users"]["api_count"] == proof["users"]["our_count"] == users[0]
    assert {(row["differences_found"], row["repaired_by"], row["in_flight"]) for row in proof.values()} == {
        ("none", "", "")
    }
    assert oct(first_sync.directory.stat().st_mode)[-3:] == "700"
    assert oct((first_sync.directory / "load.duckdb").stat().st_mode)[-3:] == "600"


def test_the_parts_do_what_the_whole_does(referrals: Referrals, tmp_path: Path) -> None:
    for command in ("load", "build", "publish"):
        done = referrals(command, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)
    assert (tmp_path / "data" / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    ("arguments", "changes", "code", "words"),
    [
        (["sync"], {f"{PREFIX}API_TOKEN": ""}, 2, "API_TOKEN"),
        (["sync", "--streams", "users,invoices"], {}, 2, "invoices"),
        (["sync", "--no-such-option"], {}, 2, "no-such-option"),
        (["build"], {}, 2, "referrals sync"),
        (["sync"], {f"{PREFIX}CONCURRENCY": "many"}, 2, "CONCURRENCY"),
        (["sync"], {f"{PREFIX}BASE_URL": "http://example.com/api/v1"}, 2, "https"),
        (["sync"], {f"{PREFIX}API_TOKEN": "not-the-token"}, 3, "Settings > API"),
        (["check"], {f"{PREFIX}API_TOKEN": "not-the-token"}, 3, "Settings > API"),
    ],
)
def test_errors_have_their_code_one_line_and_what_to_do(
    referrals: Referrals, arguments: list[str], changes: dict[str, str], code: int, words: str
) -> None:
    done = referrals(*arguments, **changes)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("referrals: ")
    assert " Next: " in line
    assert "not-the-token" not in done.stdout + done.stderr


@pytest.mark.usefixtures("synced")
def test_a_second_sync_exits_75_and_a_killed_one_leaves_no_lock(
    referrals: Referrals, environ: dict[str, str], tmp_path: Path
) -> None:
    with Sandbox(users=80, seed=4, calls_per_minute=0, quirks=Quirks(slow_every=2, slow_s=60.0)) as slow:
        first = subprocess.Popen(
            [sys.executable, "-m", "referral_warehouse", "sync"],
            env=environ | {f"{PREFIX}BASE_URL": slow.base_url},
            cwd=tmp_path,
        )
        try:
            while not slow.calls:
                assert first.poll() is None
                time.sleep(0.02)
            done = referrals("sync")
            assert done.returncode == 75, done.stderr
            assert "Nothing was touched" in done.stderr
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
    assert referrals("sync").returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_sync_cleanly_though_the_api_is_slow(
    environ: dict[str, str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with Sandbox(users=80, seed=4, calls_per_minute=0, quirks=Quirks(slow_every=2, slow_s=60.0)) as slow:
        process = subprocess.Popen(
            [sys.executable, "-c", LISTENING, "sync"], env=environ | {f"{PREFIX}BASE_URL": slow.base_url},
            cwd=tmp_path, text=True, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            while not slow.calls:
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(number)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == code, said
    assert "Committed data is kept" in said
    assert "Traceback" not in said


def test_check_reports_what_the_account_supports(referrals: Referrals, tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text("")
    (tmp_path / ".dlt" / "secrets.toml").chmod(0o644)
    done = referrals("check")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for subject in ("token", "clock", "date filters", "id filters", "order", "per_page", "coupons with users"):
        assert any(subject in line for line in lines), subject
    assert any(line.startswith("WARN") and "chmod 600" in line for line in lines)


def test_every_file_that_may_hold_the_token_is_looked_at(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    for folder, name, text, mode in (
        (here, "secrets.toml", "", 0o600),
        (here, "config.toml", "[sources.referral_factory]\nconcurrency = 4", 0o644),
        (home, "secrets.toml", "", 0o640),
        (home, "config.toml", "[sources.referral_factory]\napi_token = 'x'", 0o604),
    ):
        (folder / ".dlt").mkdir(parents=True, exist_ok=True)
        (folder / ".dlt" / name).write_text(text)
        (folder / ".dlt" / name).chmod(mode)
    found = _token_files(here, home)
    assert [state for state, _ in found] == ["ok", "problem", "problem"]
    assert f"chmod 600 {home / '.dlt' / 'config.toml'}" in found[2][1]
    assert _token_files(home, home) == found[1:]


def test_check_reports_what_is_not_supported(referrals: Referrals, sandbox: Sandbox) -> None:
    sandbox.set_quirks(Quirks(ignore_filters=True, ignore_order=True, coupon_relation="ignored", coupon_list=True))
    try:
        found = {f["subject"]: f for f in json.loads(referrals("check", "--json").stdout)["findings"]}
    finally:
        sandbox.set_quirks(Quirks())
    assert found["date filters"]["state"] == "note"
    assert found["id filters"]["state"] == "note"
    assert found["order"]["state"] == "note"
    assert found["coupons with users"]["state"] == "problem"
    assert "there is one" in found["coupon list"]["text"]


@pytest.mark.full
def test_the_demo_continues_where_it_stopped_and_is_moved_aside_for_a_real_account(
    referrals: Referrals, tmp_path: Path
) -> None:
    first = referrals("demo", "--days", "1", "--users", "40")
    assert first.returncode == 0, first.stderr
    assert "Referral funnel per campaign" in first.stdout
    assert "roll-forward" in first.stdout
    assert "2026-01-06" in first.stderr
    second = referrals("demo", "--days", "1")
    assert "2026-01-07" in second.stderr
    data = tmp_path / "data"
    assert referrals("sync").returncode == 0
    assert (data / "demo-1" / "load.duckdb").exists()
    refused = referrals("demo", "--days", "1")
    assert refused.returncode == 2
    assert "real account" in refused.stderr


@pytest.mark.usefixtures("synced")
def test_data_of_this_machine_and_of_the_vendor_never_mix(referrals: Referrals, tmp_path: Path) -> None:
    before = (tmp_path / "data" / "load.duckdb").read_bytes()
    refused = referrals(
        "sync",
        **{
            f"{PREFIX}BASE_URL": "https://referral-factory.example.com/api/v1",
            f"{PREFIX}CALLS_PER_MINUTE": "60",
            f"{PREFIX}SIMULATED_TIME": "false",
        },
    )
    assert refused.returncode == 2
    assert "WAREHOUSE__DIR" in refused.stderr
    assert (tmp_path / "data" / "load.duckdb").read_bytes() == before


def test_a_sandbox_refuses_a_port_that_is_taken(referrals: Referrals) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = referrals("sandbox", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "--port" in done.stderr


def test_every_quirk_is_an_option_with_help(referrals: Referrals) -> None:
    import dataclasses

    said = " ".join(referrals("sandbox", "--help").stdout.split())
    for quirk in dataclasses.fields(Quirks):
        assert f"--quirk-{quirk.name.replace('_', '-')}" in said.replace("- ", "-")


def test_the_event_log_of_a_kept_account_can_be_read(referrals: Referrals, tmp_path: Path) -> None:
    with Sandbox(path=tmp_path / "world.sqlite3", users=30, seed=1) as world:
        world.advance(days=2)
        expected = len(world.events())
    lines = referrals("sandbox", "--events", "--file", str(tmp_path / "world.sqlite3")).stdout.splitlines()
    assert len(lines) == expected
    assert {"event_id", "at", "kind"} <= json.loads(lines[0]).keys()
