"""The file of outcomes: appended to, bounded, and read whatever a kill, a full disk or another program made of it."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.operate.history import History, history_of
from referral_warehouse.operate.outcome_log import OutcomeLog
from referral_warehouse.operate.outcomes import Outcome, Start, from_record, to_record
from tests.damage.damages import damages_of
from tests.operate.runs import COMMANDS, FIRST, STREAMS, append_runs, made, outcome


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path)
    ended = outcome("sync", 3, streams=STREAMS, warnings={"warn_orphans": 2}, message="a\nb \x1b[1m \ud800 ü", rows=5)
    log.append(Start("r1", "sync", "2026-01-05T08:00:00Z", 7))
    log.append(ended)
    assert log.read() == [Start("r1", "sync", "2026-01-05T08:00:00Z", 7), ended]
    assert log.path.read_bytes().isascii()
    assert oct(log.path.stat().st_mode)[-3:] == "600"


def test_a_line_that_was_torn_anywhere_hides_no_other_line(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path)
    first, second, third = (outcome("sync", number) for number in range(3))
    log.append(first)
    whole = log.path.read_bytes()
    log.append(second)
    torn = log.path.read_bytes()
    for cut in range(len(whole), len(torn) - 1):
        log.path.write_bytes(torn[:cut])
        assert log.read() == [first]
        log.append(third)
        assert log.read() == [first, third], cut


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"null", b"1", b'{"event": "end"}', b"\xff\xfe\x00", b"[" * 100_000, b'{"event": "start", "run": 1}',
     b'{"event":"start","run":"x","command":"sync","at":"yesterday"}',
     b'{"event":"start","run":"x","command":"sync","at":"2026-01-05T08:00:00Z","pid":true}',
     b'{"event":"end","run":"x","command":"sync","started_at":"2026-01-05T08:00:00Z","at":"2026-01-05T08:00:00Z","result":"fine"}',
     b'{"event":"end","run":"x","command":"sync","started_at":"2026-01-05T08:00:00Z","at":"2026-01-05T08:00:00Z","result":"ok","streams":[1]}'],
)  # fmt: skip
def test_a_line_that_is_not_a_record_is_skipped(tmp_path: Path, line: bytes) -> None:
    log = OutcomeLog(tmp_path)
    log.append(outcome("sync", 1))
    with log.path.open("ab") as stream:
        stream.write(line + b"\n")
    log.append(outcome("load", 2))
    assert [record.command for record in log.read()] == ["sync", "load"]


def test_fields_of_later_versions_do_not_hide_a_record() -> None:
    ended = outcome("sync", 1)
    assert from_record({**to_record(ended), "mood": "fine"}) == ended


def test_every_damage_of_the_file_is_survived(tmp_path: Path) -> None:
    folder = tmp_path / "sound"
    folder.mkdir()
    OutcomeLog(folder).append(outcome("sync", 1))
    for number, name in enumerate(damages_of(OutcomeLog(folder).path)):
        copy = tmp_path / str(number)
        copy.mkdir()
        (copy / "outcomes.jsonl").write_bytes(OutcomeLog(folder).path.read_bytes())
        log = OutcomeLog(copy)
        damages_of(log.path)[name](log.path)
        log.read()
        log.append(outcome("sync", 2))
        assert log.read()[-1] == outcome("sync", 2), name


@given(
    st.lists(st.tuples(st.sampled_from(COMMANDS), st.sampled_from(["ok", "failed", "killed", "stopped"])), max_size=60)
)
def test_the_history_is_the_same_however_often_a_new_file_begins(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[str, str]]
) -> None:
    small, large = (OutcomeLog(tmp_path_factory.mktemp("log"), size) for size in (600, 10**9))
    for log in (small, large):
        append_runs(log, runs)
    before, after = history_of(large.read()), history_of(small.read())
    for name in ("last_success", "failing", "failures", "failing_since", "fresh_at", "last_load", "last_publication"):
        assert getattr(before, name) == getattr(after, name), name


def test_the_files_stay_small(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path, 4_000)
    append_runs(log, [("sync", "failed")] * 300)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"outcomes.jsonl", "outcomes.1.jsonl"}
    assert max(sizes.values()) < 6_000
    assert history_of(log.read()).failures == 300


def test_records_that_are_too_old_are_left_out_unless_the_history_needs_them(tmp_path: Path) -> None:
    """Of both files; what is left is still for the owner alone."""
    log = OutcomeLog(tmp_path, max_bytes=1)
    append_runs(log, [("sync", "ok"), ("sync", "ok"), ("load", "failed"), ("sync", "failed")])
    log.begin_new_file([])
    log.append(outcome("publish", 8), outcome("publish", 9))
    before = history_of(log.read())
    assert log.drop_older(FIRST - timedelta(days=1)) == 0
    assert log.drop_older(FIRST + timedelta(days=400)) > 0
    assert {path.name for path in tmp_path.iterdir()} == {"outcomes.jsonl", "outcomes.1.jsonl"}
    assert all(oct(path.stat().st_mode)[-3:] == "600" for path in tmp_path.iterdir())
    assert history_of(log.read()).needed == before.needed
    assert len(log.read()) == len(before.needed)


def test_writers_at_the_same_time_lose_no_line(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.operate.runs import outcome; "
        "from referral_warehouse.operate.outcome_log import OutcomeLog; log = OutcomeLog(Path(sys.argv[1])); "
        "[log.append(outcome('sync', number)) for number in range(200)]"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(OutcomeLog(tmp_path).read()) == 400


def test_a_disk_that_is_full_tears_a_line_and_says_so(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the system writes a part, or refuses."""
    log = OutcomeLog(tmp_path)
    log.append(outcome("sync", 1))
    size = log.path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for more in (0, 10):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + more, before[1]))
            with pytest.raises(OSError, match=r"too large|disk may be full"):
                log.append(outcome("sync", 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [record.at for record in log.read()] == [outcome("sync", 1).at]
    log.append(outcome("sync", 3))
    assert [record.at for record in log.read()] == [outcome("sync", n).at for n in (1, 3)]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine\n")
    (tmp_path / "outcomes.jsonl").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic links"):
        OutcomeLog(tmp_path).append(outcome("sync", 1))
    assert (tmp_path / "mine").read_text() == "mine\n"


def test_a_success_ends_the_failures_that_it_covers() -> None:
    def after(*runs: tuple[str, str]) -> History:
        return made(runs)

    assert after(("sync", "failed"), ("sync", "failed"), ("load", "failed")).failures == 3
    assert after(("sync", "failed"), ("build", "ok")).failures == 1
    assert after(("load", "failed"), ("build", "failed"), ("fix-clock", "failed"), ("sync", "ok")).failures == 0
    assert after(("build", "failed"), ("publish", "ok")).failures == 0
    assert after(("load", "failed"), ("publish", "ok")).failures == 1
    failing = after(("sync", "ok"), ("sync", "failed"), ("sync", "killed"))
    assert (failing.failures, failing.failing_since) == (2, outcome("sync", 1).at)


def test_data_is_as_fresh_as_the_load_that_was_published() -> None:
    loaded = made([("load", "ok"), ("build", "ok"), ("publish", "ok"), ("load", "ok")])
    assert loaded.fresh_at == outcome("load", 0).ended_at
    assert made([("sync", "ok"), ("publish", "ok")]).fresh_at == outcome("sync", 0).ended_at
    assert made([("publish", "ok")]).fresh_at is None


def test_a_run_without_an_end_stays_unfinished() -> None:
    start = Start("r9", "sync", "2026-01-05T08:00:00Z")
    history = history_of([outcome("sync", 1), start])
    assert history.unfinished == start
    history.add(Outcome("r9", "sync", start.at, start.at, "ok"))
    assert history.unfinished is None
