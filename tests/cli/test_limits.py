"""Commands under limits of the system: they work, or exit 2 names the limit, and nothing is damaged."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from referral_warehouse.errors import DataRefused
from referral_warehouse.workspace.process_limits import limit_behind
from tests.cli.processes import Referrals, error_lines
from tests.cli.test_environment import assert_reason, in_shell
from tests.sampling import sampled


@pytest.mark.parametrize(
    ("option", "command"),
    [
        *((f"-v {kib}", "status") for kib in (100_000, 300_000, 700_000)),
        *((f"-v {kib}", "sync") for kib in (400_000, 900_000, 1_500_000)),
        *((f"-d {kib}", "sync") for kib in (400_000, 1_500_000)),
        *((f"-n {count}", "sync") for count in (16, 40)),
        *((f"-s {kib}", "sync") for kib in (256, 500)),
    ],
)
def test_a_limit_that_is_too_small_is_named_before_anything_is_done(
    environ: dict[str, str], tmp_path: Path, option: str, command: str
) -> None:
    done = in_shell(f'ulimit {option} && exec "$@" {command}', environ, tmp_path)
    assert_reason(done, f"(ulimit {option.split()[0]})")
    assert not (tmp_path / "data").exists()


@pytest.mark.full
def test_limits_of_a_usual_system_are_enough(referrals: Referrals, environ: dict[str, str], tmp_path: Path) -> None:
    done = in_shell('ulimit -n 1024 && ulimit -s 8192 && exec "$@" sync', environ, tmp_path)
    assert (done.returncode, error_lines(done)) == (0, [])
    assert referrals("status").returncode == 0


@pytest.mark.parametrize("met", sampled(["raise MemoryError", 'raise RuntimeError("can\'t start new thread")'], 1))
def test_a_limit_that_is_met_while_working_is_named_and_the_next_run_goes_on(
    environ: dict[str, str], referrals: Referrals, tmp_path: Path, met: str
) -> None:
    code = (
        "import referral_warehouse.load.streams.user_reader as users\n"
        f"def broken(*_, **__): {met}\n"
        "users.UserReader.backfill = broken\nfrom referral_warehouse.__main__ import main\nmain()"
    )
    done = in_shell('exec "$@" sync', environ, tmp_path, (sys.executable, "-c", code))
    assert_reason(done, "reached a limit of the system")
    assert referrals("load").returncode == 0


@pytest.mark.parametrize(
    ("error", "is_limit"),
    [
        (OSError(24, "Too many open files"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (ImportError("x.so: failed to map segment from shared object"), True),
        (RuntimeError("Failed to launch worker thread: Resource temporarily unavailable"), True),
        (OSError(2, "No such file or directory"), False),
        (ValueError("memory"), False),
    ],
)
def test_limits_are_recognised_behind_other_errors(error: Exception, is_limit: bool) -> None:
    try:
        raise DataRefused("A package could not be loaded.") from error
    except DataRefused as refused:
        found = limit_behind(refused)
    assert (found is not None) is is_limit
