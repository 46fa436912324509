"""``status`` reports how runs ended, from their records and not from the last snapshot."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from referral_warehouse.cli.signals import Terminated
from referral_warehouse.cli.watching import watch
from referral_warehouse.operate.health import read_health
from referral_warehouse.operate.outcome_log import OutcomeLog
from referral_warehouse.operate.outcomes import Start
from referral_warehouse.settings import Settings
from referral_warehouse.utc_times import iso_utc_seconds
from referral_warehouse.workspace.file_locks import is_locked
from referral_warehouse.workspace.lock import warehouse_lock
from tests.account_server import AccountServer
from tests.cli.processes import PREFIX
from tests.documentation import section, table_rows
from tests.operate.conftest import Run
from tests.operate.runs import FIRST, append_runs, outcome

REFUSED = (401, b'{"message": "Unauthenticated."}')


def test_status_follows_a_directory_through_failures_to_a_recovery(
    referrals: Run, account: AccountServer, synced: Settings
) -> None:
    settings = synced
    well = referrals("status")
    assert well.code == 0
    assert re.match(r"Well: the data is \d+ (s|min) old\.\nLast success: sync, ", well.out)
    assert "snapshot 1" in well.out
    assert f"Directory: {settings.warehouse_dir}" in well.out
    assert "Owed now" in well.out

    account.errors["campaigns"] = account.errors["users"] = REFUSED
    assert [referrals("sync").code for _ in range(2)] == [3, 3]
    failing = referrals("status")
    assert failing.code == 3
    assert failing.out.startswith("Failing: 2 runs did not succeed, since 2")
    assert "All is well" not in failing.out
    last = json.loads(referrals("status", "--json").out)
    assert (last["state"], last["is_well"], last["exit_code"], last["failures"]) == ("failing", False, 3, 2)
    assert last["last_failure"]["error"] == "AuthenticationError"
    assert "Last failure: sync, " in failing.out
    assert "failed with exit code 3" in failing.out
    assert "Next: Copy the current token from Settings > API" in " ".join(failing.out.split())
    assert last["last_success"]["snapshot"] == last["snapshot"] == 1
    assert last["last_success"]["rows"] > 0
    assert last["last_failure"]["calls"] > 0
    assert {"runs", "streams", "liability", "tables", "quarantined", "strikes"} <= last.keys()
    assert referrals("status", "--max-age", "1h").code == 0, "with --max-age the age alone decides"

    account.errors.clear()
    assert referrals("sync").code == 0
    recovered = json.loads(referrals("status", "--json").out)
    assert (recovered["state"], recovered["failures"], recovered["last_failure"]) == ("well", 0, None)


def test_the_fields_of_json_are_those_of_the_page(referrals: Run, synced: Settings) -> None:
    """``tasks`` is there only after a failed one."""
    rows = table_rows(section("docs/monitoring.md", "Fields of `--json`"))
    listed = {name.strip(" `") for row in rows for name in row[0].split(",")}
    assert json.loads(referrals("status", "--json").out).keys() == listed - {"tasks"}


def test_nothing_published_is_not_well(referrals: Run, settings: Settings) -> None:
    empty = referrals("status")
    assert empty.code == 4
    assert empty.out.startswith("Not well: nothing is published yet.\nNext: Run `referrals sync`")
    assert not settings.warehouse_dir.exists(), "status creates nothing"


@pytest.mark.parametrize(
    ("arguments", "error", "code"), [(["publish"], "ConfigurationError", 2), (["load"], "AuthenticationError", 3)]
)
def test_every_command_that_writes_is_recorded(
    referrals: Run, account: AccountServer, settings: Settings, arguments: list[str], error: str, code: int
) -> None:
    account.errors["campaigns"] = REFUSED
    settings.state_dir.mkdir(parents=True)  # publish creates no warehouse
    assert referrals(*arguments).code == code
    [start, end] = OutcomeLog(settings.state_dir).read()
    assert isinstance(start, Start)
    assert (end.command, end.error, end.exit_code) == (arguments[0], error, code)  # type: ignore[union-attr]


def test_nothing_is_written_for_a_run_that_cannot_begin_unless_there_were_others(
    referrals: Run, settings: Settings
) -> None:
    token = {f"{PREFIX}API_TOKEN": ""}
    assert referrals("sync", **token).code == 2
    assert not settings.warehouse_dir.exists()
    with warehouse_lock(settings.warehouse_dir):
        assert referrals("sync").code == 75
    assert OutcomeLog(settings.state_dir).read() == []
    assert referrals("sync", **token).code == 2
    [end] = OutcomeLog(settings.state_dir).read()
    assert end.error == "ConfigurationError"  # type: ignore[union-attr]
    assert referrals("sync", "--streams", "invoices").code == 2
    assert len(OutcomeLog(settings.state_dir).read()) == 1, "a slip of the keyboard is no failed run"


def test_a_killed_run_is_reported_by_status_and_by_the_next_run(referrals: Run, synced: Settings) -> None:
    log = OutcomeLog(synced.state_dir)
    log.append(Start("r2", "sync", iso_utc_seconds(datetime.now(UTC)), 1))
    killed = referrals("status")
    assert killed.code == 1
    assert "Failing: the last run did not succeed" in killed.out
    assert "was killed" in killed.out
    before = log.path.read_bytes()
    with warehouse_lock(synced.warehouse_dir):
        running = json.loads(referrals("status", "--json").out)
    assert (running["is_running"], running["state"]) == (True, "well")
    assert log.path.read_bytes() == before, "status writes nothing"
    assert referrals("load").code == 0
    assert [record.result for record in log.read() if not isinstance(record, Start)] == ["ok", "killed", "ok"]
    assert referrals("status").code == 1, "the sync has not succeeded since"


def test_a_real_kill_is_reported(settings: Settings, referrals: Run) -> None:
    """A process that holds the lock and has recorded its start is killed."""
    code = (
        "import time; from referral_warehouse.settings import load_settings as s; "
        "from referral_warehouse.workspace.lock import warehouse_lock; "
        "from referral_warehouse.operate.recorder import Recorder\n"
        "with warehouse_lock(s().warehouse_dir):\n"
        " Recorder(s(), 'sync').start(); print('on', flush=True); time.sleep(99)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "on\n"
        assert "Running now: sync" in referrals("status").out
        process.send_signal(signal.SIGKILL)
    found = referrals("status")
    assert (found.code, "was killed" in found.out) == (1, True)


def test_a_check_of_the_lock_stops_no_run(settings: Settings) -> None:
    """Both at once, many times: a check of the lock never makes a run find it taken."""
    with warehouse_lock(settings.warehouse_dir):
        assert is_locked(settings.state_dir / "lock")
    code = (
        "import sys; from pathlib import Path; from referral_warehouse.workspace.file_locks import is_locked\n"
        "print('looking', flush=True)\n"
        "while True: is_locked(Path(sys.argv[1]))"
    )
    looking = subprocess.Popen(
        [sys.executable, "-c", code, str(settings.state_dir / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert looking.stdout is not None
    with looking, looking.stdout:
        assert looking.stdout.readline() == "looking\n"
        try:
            ends_at = time.monotonic() + 0.5
            while time.monotonic() < ends_at:
                with warehouse_lock(settings.warehouse_dir):
                    pass
        finally:
            looking.kill()
    assert not is_locked(settings.state_dir / "lock")
    assert not is_locked(settings.state_dir / "no such file")


def test_the_age_decides_with_max_age(settings: Settings) -> None:
    settings.state_dir.mkdir(parents=True)
    settings.warehouse_path.symlink_to("nowhere")
    append_runs(OutcomeLog(settings.state_dir), [("sync", "ok"), ("sync", "failed"), ("sync", "failed")])
    now = FIRST + timedelta(hours=3)
    found = {limit: read_health(settings, now, limit) for limit in (None, 10_800, 10_799)}
    assert [(health.state, health.exit_code) for health in found.values()] == [
        ("failing", 4),
        ("failing", 0),
        ("stale", 4),
    ]
    assert found[None].age_s == 10_800
    OutcomeLog(settings.state_dir).append(outcome("sync", 3))
    assert read_health(settings, now).state == "well"


@pytest.mark.parametrize(
    ("result", "code", "expected"), [("failed", 6, 6), ("failed", 1, 1), ("stopped", 143, 1), ("killed", 1, 1)]
)
def test_the_code_is_that_of_the_failure_and_never_that_of_a_signal(
    settings: Settings, result: str, code: int, expected: int
) -> None:
    settings.state_dir.mkdir(parents=True)
    OutcomeLog(settings.state_dir).append(outcome("sync", 1, result, exit_code=code, failures=1))
    assert read_health(settings, FIRST).exit_code == expected


def test_the_freshness_of_a_directory_of_an_older_version_comes_from_its_manifest(
    referrals: Run, synced: Settings
) -> None:
    settings = synced
    (settings.state_dir / "outcomes.jsonl").unlink()
    shown = referrals("status")
    assert shown.code == 0
    assert "Last success: none is recorded." in shown.out
    assert referrals("status", "--max-age", "1h").code == 0
    assert read_health(settings, datetime.now(UTC) + timedelta(hours=2), 3600).state == "stale"


def test_outcomes_that_cannot_be_read_or_written_are_a_warning(
    referrals: Run, synced: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = synced
    path = settings.state_dir / "outcomes.jsonl"
    path.unlink()
    path.symlink_to(settings.state_dir / "origin")  # a link is never written through
    done = referrals("sync")
    assert done.code == 0
    assert done.err.count("outcomes.jsonl cannot be written") == 1

    def refuse(_log: OutcomeLog) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(OutcomeLog, "read", refuse)
    shown = referrals("status")
    assert shown.code == 0
    assert "The outcomes of runs are not known:" in shown.out


def test_a_message_keeps_no_secret_and_one_line(referrals: Run, account: AccountServer, settings: Settings) -> None:
    account.errors["campaigns"] = (422, b'{"message": "bad token tok-5e1f0a77c3\\nsecond line"}')
    assert referrals("sync").code == 4
    text = (settings.state_dir / "outcomes.jsonl").read_text()
    assert "tok-5e1f0a77c3" not in text
    assert len(text.splitlines()) == 2
    assert "second line" in referrals("status").out


@pytest.mark.usefixtures("synced")
def test_no_word_is_broken_at_80_columns(referrals: Run) -> None:
    wide, narrow = (referrals("status", COLUMNS=columns).out for columns in ("400", "80"))
    assert max(map(len, narrow.splitlines())) <= 80 or "/" in max(narrow.splitlines(), key=len)
    lines = set("│┃━╇┼─╪")
    found, expected = ({word.strip(":") for word in text.split() if not set(word) & lines} for text in (narrow, wide))
    assert {"quarantined", "differences", "marts.reward_liability", "Amazon"} <= expected
    assert {word for word in expected - found if not any(map(str.isdigit, word))} == set()
    assert "\x1b" not in narrow


def test_watch_shows_it_again_until_it_is_interrupted(referrals: Run) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise Terminated(signal.SIGINT)

    codes = iter([0, 3, 4])
    assert watch(lambda: next(codes), 7, sleep) == 4
    assert slept == [7, 7, 7]
    with pytest.raises(Terminated):
        watch(lambda: 0, 1, lambda _: (_ for _ in ()).throw(Terminated(signal.SIGTERM)))


def test_watch_of_the_command_ends_with_ctrl_c(settings: Settings, tmp_path: Path) -> None:
    listening = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from referral_warehouse.__main__ import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", listening, "status", "--json", "--watch", "1"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        shown = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
    assert [json.loads(line)["state"] for line in shown if line.strip()] == ["nothing published"] * 2
    assert process.returncode == 4


@pytest.mark.parametrize("age", ["3", "soon", "0h"])
def test_an_invalid_age_is_refused(referrals: Run, age: str) -> None:
    refused = referrals("status", "--max-age", age)
    assert refused.code == 2
    assert "--max-age is not a duration" in refused.err


def test_a_copy_of_the_directory_shows_which_one_is_used(referrals: Run, synced: Settings, tmp_path: Path) -> None:
    shutil.copytree(synced.warehouse_dir, tmp_path / "other", symlinks=True)
    logged = referrals("--log-format", "json", "load", WAREHOUSE__DIR=str(tmp_path / "other")).err
    assert json.loads(logged.splitlines()[0])["directory"] == str(tmp_path / "other")
    assert f"Directory: {tmp_path / 'other'}" in referrals("status", WAREHOUSE__DIR=str(tmp_path / "other")).out
