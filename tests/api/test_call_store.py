"""The call store counts across processes, kills, reboots and clock changes, and keeps violations for a week."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from referral_warehouse.api.rate_limit.host import (
    HostClock,
    boot_clock,
    boot_id,
    call_store_folder,
    call_store_name,
    remove_old_call_stores,
)
from referral_warehouse.api.rate_limit.store import CallCounts, CallStore, TakeResult
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from tests.api.stand_ins import taken

WORKER = Path(__file__).with_name("call_store_worker.py")
DAY_S = 86_400.0


class Clocks:
    def __init__(self) -> None:
        self.boot_s = 1000.0
        self.wall_s = 1_800_000_000.0


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def open_call_store(path: Path, clocks: Clocks, boot: str = "first") -> CallStore:
    return CallStore(
        path, window_s=60.0, violations_that_stop=2, clock=HostClock(lambda: clocks.boot_s, lambda: clocks.wall_s, boot)
    )


def take(call_store: CallStore, capacity: int | None = 3, hold_s: float = 30.0) -> TakeResult:
    return call_store.take(capacity, hold_s, lambda _: 0.0)


@pytest.fixture
def call_store(tmp_path: Path, clocks: Clocks) -> CallStore:
    return open_call_store(tmp_path / "calls.sqlite3", clocks)


def test_a_call_counts_until_a_window_after_its_response(call_store: CallStore, clocks: Clocks) -> None:
    first = [taken(call_store) for _ in range(3)]
    assert take(call_store) == TakeResult(None, 60.0, "budget")
    clocks.boot_s += 25
    call_store.done(first[0])
    clocks.boot_s += 10
    assert take(call_store) == TakeResult(None, 50.0, "budget")
    clocks.boot_s += 49.9
    assert take(call_store).seq is None
    clocks.boot_s += 0.1
    assert take(call_store).seq is not None
    call_store.close()


def test_an_unfinished_call_stops_counting_after_its_hold_and_a_window(call_store: CallStore, clocks: Clocks) -> None:
    for _ in range(3):
        take(call_store)
    clocks.boot_s += 89.9
    assert take(call_store).seq is None
    clocks.boot_s += 0.1
    assert take(call_store).seq is not None
    call_store.close()


def test_a_response_after_the_hold_counts_again(call_store: CallStore, clocks: Clocks) -> None:
    late = taken(call_store, capacity=1)
    clocks.boot_s += 90
    assert take(call_store, capacity=1).seq is not None  # the late one was given up
    call_store.done(late)
    clocks.boot_s += 59
    call_store.flush()
    clocks.boot_s += 31  # the second one's hold is over too, the late answer's window (from 90) as well
    assert take(call_store, capacity=1).seq is not None
    call_store.close()


def test_numbers_never_repeat(call_store: CallStore, clocks: Clocks) -> None:
    seen = []
    for _ in range(5):
        seq = taken(call_store)
        seen.append(seq)
        call_store.done(seq)
        clocks.boot_s += 500
    assert seen == sorted(set(seen))
    call_store.close()


def test_the_wait_for_others_is_computed_from_the_counts(call_store: CallStore) -> None:
    seen: list[CallCounts] = []

    def others_wait_s(counts: CallCounts) -> float:
        seen.append(counts)
        return 7.0 if counts.calls == 2 else 0.0

    first = call_store.take(9, 30, others_wait_s)
    call_store.done(first.seq)  # type: ignore[arg-type]
    call_store.take(9, 30, others_wait_s)
    assert call_store.take(9, 30, others_wait_s) == TakeResult(None, 7.0, "sharing")
    assert seen == [CallCounts(0, 0, 0), CallCounts(1, 0, 1), CallCounts(2, 1, 2)]
    call_store.close()


def test_the_wall_clock_moves_no_call(call_store: CallStore, clocks: Clocks) -> None:
    for _ in range(3):
        call_store.done(taken(call_store))
    for jump in (10 * DAY_S, -20 * DAY_S):
        clocks.wall_s += jump
        assert take(call_store) == TakeResult(None, 60.0, "budget")
    call_store.close()


@pytest.mark.parametrize(("boot", "clock_s"), [("second", 5.0), ("second", 1e6), ("first", 5.0)])
def test_after_a_reboot_old_calls_count_for_a_window(tmp_path: Path, clocks: Clocks, boot: str, clock_s: float) -> None:
    before = open_call_store(tmp_path / "l", clocks)
    for _ in range(2):
        before.done(taken(before))
    take(before)
    before.close()
    clocks.boot_s = clock_s
    after = open_call_store(tmp_path / "l", clocks, boot)
    assert take(after) == TakeResult(None, 60.0, "budget")
    clocks.boot_s += 60
    assert take(after).seq == 4
    after.close()


def test_an_interrupt_between_work_and_commit_leaves_no_lock(call_store: CallStore) -> None:
    assert take(call_store).seq == 1
    call_store._file._db.execute("begin immediate")  # type: ignore[union-attr]
    assert take(call_store).seq == 2
    call_store.close()


def test_two_connections_see_one_count(tmp_path: Path, clocks: Clocks) -> None:
    one, two = (open_call_store(tmp_path / "l", clocks) for _ in range(2))
    assert [take(one).seq, take(two).seq, take(one).seq] == [1, 2, 3]
    assert take(two).reason == "budget"
    one.close()
    two.close()


def test_violations_last_a_week_and_stop_all_calls(call_store: CallStore, clocks: Clocks) -> None:
    assert call_store.violations() == ()
    assert not call_store.exists()
    call_store.record_violation(["429"], 30.0)
    assert take(call_store) == TakeResult(None, 30.0, "pause")
    clocks.boot_s += 30
    assert take(call_store).seq == 1
    clocks.wall_s += 6 * DAY_S
    violations = call_store.record_violation(["429"], 0.0)
    assert [violation.what for violation in violations] == ["429", "429"]
    assert violations[0].at == datetime.fromtimestamp(1_800_000_000, UTC)
    assert take(call_store).reason == "violations"
    assert take(call_store, capacity=None).reason == "violations"
    clocks.wall_s += 1 * DAY_S
    assert take(call_store).seq == 2
    assert len(call_store.violations()) == 1
    call_store.close()


def test_forgiving_deletes_violations_and_pause(call_store: CallStore) -> None:
    assert call_store.forgive() == 0
    call_store.record_violation(["429", "429"], 500.0)
    assert call_store.forgive() == 2
    assert (call_store.violations(), take(call_store).seq) == ((), 1)
    call_store.close()


def test_a_shorter_pause_never_cuts_a_longer_one_and_none_lasts_for_ever(call_store: CallStore) -> None:
    call_store.record_violation([], 300.0)
    call_store.record_violation([], 5.0)
    assert take(call_store) == TakeResult(None, 300.0, "pause")
    call_store.record_violation([], 1e15)
    assert take(call_store) == TakeResult(None, 7 * DAY_S, "pause")
    call_store.close()


def test_a_file_that_is_not_a_call_store_is_moved_aside_and_no_call_is_sent_for_a_window(
    tmp_path: Path, clocks: Clocks
) -> None:
    path = tmp_path / "calls.sqlite3"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    call_store = open_call_store(path, clocks)
    assert take(call_store) == TakeResult(None, 60.0, "pause")
    assert path.with_suffix(".broken").exists()
    clocks.boot_s += 60
    assert take(call_store).seq == 1
    call_store.close()


def test_a_call_store_that_cannot_be_written_stops_all_calls_with_a_message(tmp_path: Path, clocks: Clocks) -> None:
    call_store = open_call_store(tmp_path / "missing" / "calls.sqlite3", clocks)
    with pytest.raises(ConfigurationError, match="nothing is sent"):
        take(call_store)


def test_no_other_user_can_read_the_call_store(settings: Settings, clocks: Clocks) -> None:
    folder = call_store_folder(settings)
    call_store = open_call_store(folder / "calls.sqlite3", clocks)
    take(call_store)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert set(modes) >= {"calls.sqlite3", "calls.sqlite3-wal"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    call_store.close()


def test_the_folder_follows_xdg_and_falls_back_to_the_warehouse(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call_store_folder(settings) == tmp_path / "machine" / "referral-warehouse"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert call_store_folder(settings) == settings.state_dir
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert call_store_folder(settings) == settings.state_dir
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert call_store_folder(settings) == tmp_path / ".local/state/referral-warehouse"


def test_a_missing_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigurationError, match="any of"):
        call_store_folder(Settings(warehouse_dir=tmp_path / "file" / "data"))


def test_names_hide_the_token_and_distinguish_local_servers() -> None:
    names = {
        call_store_name("secret", None),
        call_store_name("secret2", None),
        call_store_name("secret", "http://127.0.0.1:1/api"),
        call_store_name("secret", "http://127.0.0.1:2/api"),
    }
    assert len(names) == 4
    assert not any("secret" in name for name in names)
    assert call_store_name("secret", "http://127.0.0.1:1/v1") == call_store_name("secret", "http://127.0.0.1:1/v2")


def test_only_old_call_stores_of_local_servers_are_removed(tmp_path: Path) -> None:
    for name in ("local-a.sqlite3", "local-b.sqlite3", "c.sqlite3"):
        (tmp_path / name).write_text("")
    now = time.time()
    os.utime(tmp_path / "local-a.sqlite3", (now - 9 * DAY_S, now - 9 * DAY_S))
    os.utime(tmp_path / "c.sqlite3", (now - 9 * DAY_S, now - 9 * DAY_S))
    remove_old_call_stores(tmp_path, now, older_than_s=8 * DAY_S)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.sqlite3", "local-b.sqlite3"]


def test_the_boot_clock_and_its_name_are_common_to_processes() -> None:
    code = "from referral_warehouse.api.rate_limit.host import *; print(boot_id(), boot_clock())"
    before = boot_clock()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name, clock = done.stdout.split()
    assert name == boot_id()
    assert before <= float(clock) <= boot_clock()


def test_processes_together_keep_the_budget_though_one_is_killed(tmp_path: Path) -> None:
    budget, window_s, calls = 25, 0.4, 60
    journals = [tmp_path / f"journal-{number}" for number in range(3)]

    def start(journal: Path) -> subprocess.Popen[bytes]:
        arguments = [tmp_path / "calls.sqlite3", journal, budget, window_s, calls]
        return subprocess.Popen([sys.executable, str(WORKER), *map(str, arguments)])

    first, second = start(journals[0]), start(journals[1])
    while not journals[0].exists() or journals[0].read_bytes().count(b"\n") < 5:
        assert first.poll() is None
        time.sleep(0.005)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    third = start(journals[2])
    assert (second.wait(60), third.wait(60)) == (0, 0)

    lines = [journal.read_text().splitlines() for journal in journals]
    assert [len(lines[1]), len(lines[2])] == [calls, calls]
    assert len(lines[0]) < calls
    times = sorted(float(line) for each in lines for line in each)
    assert all(later - earlier >= window_s for earlier, later in zip(times, times[budget:], strict=False))
