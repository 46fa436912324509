"""Programs ``referrals`` for shells whose every run is a fork of one process that has everything imported.

For tests of what commands do, wherever a shell starts them; how the program itself starts is tested by
tests/cli/test_start_signals.py and tests/installed.

Usage: python -m tests.forked_program SOCKET; ``forked_programs`` starts that and writes the programs. Each run is a
process of its own with the working directory, environment and streams of its caller, who may send it a signal.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

PROJECT = Path(__file__).parents[1]
PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys
caller = socket.socket(socket.AF_UNIX)
caller.connect({address!r})
mask = os.umask(0)
asked = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "environ": dict(os.environ), "umask": mask}} | {more!r}
socket.send_fds(caller, [b"run"], [0, 1, 2])
caller.sendall(json.dumps(asked).encode())
caller.shutdown(socket.SHUT_WR)
answers = caller.makefile()
pid = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(pid, number))
code = int(answers.readline())
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""
LATE = ("dlt.common.libs.pyarrow", "filelock", "prometheus_client", "pyarrow.dataset", "rich._emoji_codes")
"""What commands import only when they need it."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
PATIENCE_S = 120


@contextmanager
def forked_programs(folder: Path, few_models: Path) -> Iterator[tuple[Path, Path]]:
    """Write two programs below a folder; they work until this ends.

    Returns: the folder of the one that builds all models, and that of the one that builds those of ``few_models``.
    """
    with tempfile.TemporaryDirectory(prefix="forks-") as short:  # the address of a socket may have 107 characters
        address = f"{short}/socket"
        folders = folder / "all", folder / "few"
        for one, more in zip(folders, ({}, {"models": str(few_models)}), strict=True):
            one.mkdir(parents=True)
            text = PROGRAM.format(python=sys.executable, address=address, more=more)
            (one / "referrals").write_text(text, encoding="utf-8")
            (one / "referrals").chmod(0o755)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked_program", address], cwd=PROJECT,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdin is not None
        try:
            _wait_for(process, Path(address))
            yield folders
        finally:
            process.stdin.close()
            process.wait(PATIENCE_S)


def _wait_for(process: subprocess.Popen[bytes], address: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while not address.exists():
        assert process.poll() is None, "the forking process has ended"
        assert time.monotonic() < until, "the forking process does not begin"
        time.sleep(0.02)


def _main(address: str) -> None:
    import referral_warehouse

    modules = pkgutil.walk_packages(referral_warehouse.__path__, "referral_warehouse.")
    for name in (*(module.name for module in modules), *LATE):
        importlib.import_module(name)
    gc.freeze()  # a child copies no page only because it looks for garbage
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.new")
        listener.listen()
        Path(f"{address}.new").rename(address)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if sys.stdin in ready:  # nothing is ever sent: it was closed
                return
            caller, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _keep(caller)
            caller.close()


def _keep(caller: socket.socket) -> NoReturn:
    """In a process of its own: run the command in another one, and tell the caller its number and how it ended."""
    try:
        _, streams, _, _ = socket.recv_fds(caller, 3, 3)
        with caller.makefile("rb") as told:
            asked = json.load(told)
        pid = os.fork()
        if pid == 0:
            caller.close()
            _become(asked, streams)
        for stream in streams:
            os.close(stream)
        caller.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        caller.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    finally:
        os._exit(0)


def _become(asked: dict[str, Any], streams: list[int]) -> NoReturn:
    """Turn the forked process into the command."""
    from referral_warehouse.__main__ import main
    from referral_warehouse.warehouse import models

    code = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        for signalled in SIGNALS:
            signal.signal(signalled, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(asked["environ"])
        os.chdir(asked["cwd"])
        os.umask(asked["umask"])
        if "models" in asked:
            models.sql_dir = lambda: Path(asked["models"])
        sys.argv = ["referrals", *asked["arguments"]]
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as error:
        import traceback

        traceback.print_exception(error)
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads as the end of an interpreter does
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _main(sys.argv[1])
