"""``sync --every``: keeps going after failures, waits longer each time, and ends with a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.cli.repeated_sync import FIRST_RETRY_S, LONGEST_WAIT_S, Repetition, wait_after
from referral_warehouse.cli.signals import Terminated
from referral_warehouse.errors import (
    AnotherSyncRunning,
    ApiUnavailable,
    AuthenticationError,
    ConfigurationError,
    ReferralsError,
)
from referral_warehouse.settings import Settings
from tests.account_server import AccountServer
from tests.operate.conftest import Run

PROGRAM = Path(__file__).parents[1] / "accounts" / "program.py"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Machine:
    """Runs with chosen results, on a simulated clock; after the last one a signal arrives."""

    def __init__(self, *ends: ReferralsError | None, took_s: float = 10.0) -> None:
        self.ends = list(ends)
        self.waits: list[float] = []
        self.health: list[dict[str, Any]] = []
        self.now_s = 0.0
        self.took_s = took_s

    def once(self) -> None:
        self.now_s += self.took_s
        end = self.ends.pop(0)
        if end is not None:
            raise end

    def run(self, folder: Path, every_s: int = 900) -> None:
        def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            self.health.append(json.loads((folder / "health.json").read_text()))
            self.now_s += seconds
            if not self.ends:
                raise Terminated(signal.SIGTERM)

        def now() -> datetime:
            return NOON + timedelta(seconds=self.now_s)

        repetition = Repetition(self.once, every_s, folder, sleep, lambda: self.now_s, now)
        with click.Context(click.Command("sync")), pytest.raises(Terminated):
            repetition.run({})


def test_runs_begin_at_the_interval_whatever_they_take(tmp_path: Path) -> None:
    machine = Machine(None, None, AnotherSyncRunning("busy"))
    machine.run(tmp_path)
    assert machine.waits == [890, 890, 890]
    late = Machine(None, took_s=2_000)
    late.run(tmp_path)
    assert late.waits == [1], "never a loop without a pause"


def test_failures_are_waited_out_and_the_health_file_shows_them(tmp_path: Path) -> None:
    down = ApiUnavailable("down")
    machine = Machine(None, *(down for _ in range(6)), None)
    machine.run(tmp_path)
    assert machine.waits == [890, 60, 120, 240, 480, 900, 900, 890]
    first, second, last = (machine.health[number] for number in (0, 1, -1))
    assert first == {
        "state": "waiting", "at": "2026-05-01T12:00:10Z", "next_run_at": "2026-05-01T12:15:00Z", "failures": 0,
        "pid": os.getpid(), "every_s": 900, "last_exit_code": 0, "last_success_at": "2026-05-01T12:00:10Z",
    }  # fmt: skip
    assert (second["last_exit_code"], second["failures"]) == (4, 1)
    assert second["last_success_at"] == first["last_success_at"]
    assert (last["last_exit_code"], last["failures"]) == (0, 0)


def test_failures_that_need_a_person_are_retried_less_and_less_often(tmp_path: Path) -> None:
    machine = Machine(*(AuthenticationError("no") for _ in range(7)))
    machine.run(tmp_path, every_s=3600)
    assert machine.waits == [3600, 7200, 14_400, 21_600, 21_600, 21_600, 21_600]


def test_settings_that_are_wrong_from_the_start_end_it_and_later_ones_do_not(tmp_path: Path) -> None:
    wrong = ConfigurationError("wrong")
    with click.Context(click.Command("sync")), pytest.raises(ConfigurationError):
        Repetition(Machine(wrong).once, 900, tmp_path).run({})
    machine = Machine(None, wrong, None)
    machine.run(tmp_path)
    assert len(machine.waits) == 3


def test_no_health_file_is_written_where_there_is_no_directory(tmp_path: Path) -> None:
    with click.Context(click.Command("sync")), pytest.raises(ConfigurationError):
        Repetition(Machine(ConfigurationError("wrong")).once, 900, tmp_path / "data" / "state").run({})
    assert list(tmp_path.iterdir()) == []


@given(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 75]), st.integers(1, 10_000), st.integers(1, 10**8), st.floats(0, 10**6))
def test_every_wait_between_syncs_is_bounded(code: int, failures: int, every_s: int, took_s: float) -> None:
    wait_s = wait_after(code, failures, every_s, took_s)
    assert 1 <= wait_s <= max(every_s, LONGEST_WAIT_S)
    if code in (1, 4):
        assert wait_s <= every_s
        assert wait_s >= min(every_s, FIRST_RETRY_S)


def test_options_for_one_run_are_refused(referrals: Run, settings: Settings) -> None:
    for option in ("--sweep", "--accept-deletions"):
        refused = referrals("sync", "--every", "15m", option)
        assert refused.code == 2
        assert "--every cannot be combined with" in refused.err
    assert referrals("sync", "--every", "often").code == 2
    assert referrals("sync", "--every", "15m", "--streams", "invoices").code == 2
    assert not settings.warehouse_dir.exists()


def test_a_real_one_goes_on_after_a_failure_and_ends_with_sigterm(
    synced: Settings, account: AccountServer, tmp_path: Path, few_models_folder: Path
) -> None:
    health = synced.state_dir / "health.json"
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(few_models_folder), "sync", "--every", "1s", "--json"], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        first = json.loads(process.stdout.readline())
        assert (first["snapshot"], first["published"]) == (1, False), "the directory was synced before"
        account.errors["campaigns"] = (401, b"{}")
        wait_for(lambda: json.loads(health.read_text())["last_exit_code"] == 3)
        account.errors.clear()
        assert json.loads(process.stdout.readline())["rows_written"] == 0
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, said = process.communicate(timeout=60)
        assert time.monotonic() - began < 10
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 143
    assert "The next sync begins in 1 s." in said
    assert said.splitlines()[-1].startswith("referrals: Stopped by SIGTERM.")


def wait_for(condition: Any) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen within a minute")
