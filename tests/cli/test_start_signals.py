"""Signals from the first line of the program on, however it was started: one line, and the code of the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Quirks, Sandbox
from tests.cli.processes import PREFIX, error_lines
from tests.sampling import sampled

LAUNCHER = str(Path(sys.executable).with_name("referrals"))
# A module that sends the process a signal when it is imported, in the place of one that the program imports.
SENDING = """
import os, signal, sys
class Sending:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Sending())
from referral_warehouse.__main__ import main
main()
"""
IMPORTED = [
    "referral_warehouse.workspace.process_limits",
    "resource",
    "referral_warehouse.cli",
    "click",
    "referral_warehouse.cli.commands.sync",
    "referral_warehouse.load.runner",
    "dlt",
]


def _listen() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("module", "number"),
    [  # each module with one of the signals: what a signal does is the same everywhere
        pytest.param(module, number, marks=() if turn % 2 == at % 2 else pytest.mark.full, id=f"{module}-{number.name}")
        for at, module in enumerate(IMPORTED)
        for turn, number in enumerate((signal.SIGINT, signal.SIGTERM))
    ],
)
def test_a_signal_during_any_import_ends_in_one_line(
    environ: dict[str, str], tmp_path: Path, module: str, number: signal.Signals
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SENDING.format(module=module, number=int(number)), "sync"], env=environ, cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=60, preexec_fn=_listen,
    )  # fmt: skip
    assert done.returncode == 128 + number, done.stderr
    [line] = error_lines(done)
    assert line.startswith(f"referrals: Stopped by {'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'}.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_that_is_pending_when_the_launcher_starts_ends_in_one_line(
    environ: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    """Blocked by the parent and sent before Python runs: nothing can come earlier."""

    def send() -> None:
        _listen()
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        os.kill(os.getpid(), number)

    done = subprocess.run(
        [LAUNCHER, "sync"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=send,
    )  # fmt: skip
    assert done.returncode == 128 + number, done.stderr
    [line] = error_lines(done)
    assert "Stopped by" in line
    assert not (tmp_path / "data").exists()


def test_a_signal_inside_of_a_destructor_is_not_lost(environ: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import os, signal, referral_warehouse.load.streams.user_reader as users\n"
        "class Sender:\n"
        "    def __del__(self):\n        os.kill(os.getpid(), signal.SIGTERM)\n        sum(range(1000))\n"
        "def slow(*_, **__):\n    Sender()\n    signal.pause()\n    signal.pause()\n"
        "users.UserReader.backfill = slow\nfrom referral_warehouse.__main__ import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "sync"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=60, preexec_fn=_listen,
    )  # fmt: skip
    assert done.returncode == 143, done.stderr
    assert len(error_lines(done)) == 1


@pytest.mark.parametrize(
    "start", sampled([[LAUNCHER], [sys.executable, "-m", "referral_warehouse"]], 1), ids=["launcher", "module"]
)
def test_what_the_parent_ignores_stays_ignored_in_every_step(
    environ: dict[str, str], tmp_path: Path, start: list[str]
) -> None:
    with Sandbox(users=60, seed=4, calls_per_minute=0, quirks=Quirks(slow_every=4, slow_s=0.2)) as slow:
        process = subprocess.Popen(
            ["sh", "-c", 'trap "" INT; exec "$@" sync', "sh", *start],
            env=environ | {f"{PREFIX}BASE_URL": slow.base_url},
            cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            while process.poll() is None:
                if slow.calls:
                    process.send_signal(signal.SIGINT)
                try:
                    process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, errors
    assert "published" in output
    assert "Traceback" not in errors


def test_the_launcher_ignores_other_packages_and_variables(environ: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "project" / "referral_warehouse"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise RuntimeError('another package')")
    environ |= {"PYTHONPATH": str(other.parent), "PYTHONSTARTUP": "/nonexistent", "PYTHONHOME": "/nonexistent"}
    done = subprocess.run(
        [LAUNCHER, "--version"], env=environ, cwd=other.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_mask_of_any_kind_makes_private_files(environ: dict[str, str], tmp_path: Path) -> None:
    for mask in ("0777", "0000"):
        done = subprocess.run(
            ["sh", "-c", f'umask {mask}; exec "$@" status', "sh", LAUNCHER], env=environ, cwd=tmp_path, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (4, "")  # nothing is published
