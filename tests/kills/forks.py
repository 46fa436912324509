"""A process that has everything imported and forks a child for each command, so that no command pays for imports.

Usage: python -m tests.kills.forks [FOLDER OF MODELS]; reads a JSON object a line from standard input (see
``Forks.run``) and answers each with one. Every child is a process of its own, with its own signals, files and end.
``run_referrals`` is the function for tests that run a command as a process and do not test how the interpreter starts.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.kills import forked_program
from tests.kills.becoming import TIMEOUT_S, become, refuse_what_is_read_by_imports, run_program
from tests.kills.imported import import_all
from tests.lake import everywhere

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a child ended. ``returncode`` is minus the signal's number where a signal ended it."""

    returncode: int
    stdout: str
    stderr: str
    labels: list[str]
    cpu_after_s: float | None
    """CPU seconds between a signal that the child can handle and its end."""


class Forks(AbstractContextManager["Forks"]):
    """The forking process, from outside; ``models`` is another folder of models for all its children."""

    def __init__(self, models: Path | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kills.forks", *([str(models)] if models else [])], cwd=PROJECT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(
        self, folder: Path, arguments: Sequence[str], environ: Mapping[str, str], *, at: int = 0, pattern: str = "",
        action: str = "kill", limit: int = 0, call_first: str = "", timeout_s: int = TIMEOUT_S,
    ) -> Ended:  # fmt: skip
        """Run ``referrals ARGUMENTS`` on a warehouse directory.

        Args:
            folder: the warehouse directory.
            arguments: of the command.
            environ: its environment.
            at: the number of the tick before which ``action`` is carried out; 0 for none.
            pattern: only ticks whose label matches this regular expression count.
            action: ``kill``, ``sigterm``, ``sigint``, or ``kill after N`` (microseconds later, whatever runs then).
            limit: the largest size of a file, in bytes; 0 for none.
            call_first: a function (``module:function``) that the child calls before the command.
            timeout_s: seconds after which the child ends with 1.
        """
        return self._run_child({
            "folder": str(folder), "spool": str(folder), "arguments": list(arguments), "environ": dict(environ),
            "at": at, "pattern": pattern, "action": action, "limit": limit, "call_first": call_first,
            "timeout_s": timeout_s,
        })  # fmt: skip

    def referrals(
        self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path, umask: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """``referrals ARGUMENTS`` from its first line, with exactly this environment, in a working directory."""
        with tempfile.TemporaryDirectory() as spool:
            ended = self._run_child({
                "cwd": str(folder), "spool": f"{spool}/said", "arguments": list(arguments), "environ": dict(environ),
                "timeout_s": TIMEOUT_S, "umask": umask,
            })  # fmt: skip
        return subprocess.CompletedProcess(list(arguments), ended.returncode, ended.stdout, ended.stderr)

    def _run_child(self, request: dict[str, Any]) -> Ended:
        refuse_what_is_read_by_imports(request["environ"])
        return Ended(**self._reply_to({**request, "test": everywhere.current_test()}))

    @cached_property
    def program(self) -> tuple[str, ...]:
        """The beginning of a command line of ``referrals``, for tests that start processes themselves."""
        client = str(Path(forked_program.__file__).resolve())
        return sys.executable, "-I", "-S", client, self._reply_to({"is_program": True})["socket"]

    def _reply_to(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        facts_path: dict[str, Any] = json.loads(self._process.stdout.readline())
        return facts_path


@cache
def forks_with(models: Path | None = None) -> Forks:
    """The forking process of this test process for a folder of models (none: the product's); it ends with it."""
    forks = Forks(models)
    atexit.register(forks.__exit__, None, None, None)
    return forks


def run_referrals(
    arguments: Sequence[str], environ: Mapping[str, str], folder: Path, models: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """``python -m referral_warehouse ARGUMENTS`` as a process, without the second that its imports take.

    ``models`` is another folder of models than the product's.
    """
    return forks_with(models).referrals(arguments, environ, folder)


def _main() -> None:
    import_all(Path(sys.argv[1]) if len(sys.argv) > 1 else None)  # a child has the arguments of its command
    gc.freeze()  # garbage collection in a child would copy memory pages
    write_ends: list[int] = []
    folder = tempfile.mkdtemp(prefix="forks-")  # a TemporaryDirectory would be removed by each child that ends
    for line in sys.stdin:
        request = json.loads(line)
        answer = _serve_program(folder, write_ends) if request.get("is_program") else _command_ended(request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    shutil.rmtree(folder)


def _serve_program(folder: str, write_ends: list[int]) -> dict[str, str]:
    """Fork a process that serves ``forked_program``; it ends when this process ends, which closes ``write_ends``."""
    path = f"{folder}/{len(write_ends)}"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        for other in (*write_ends, write_end):
            os.close(other)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        forked_program.serve(listening, read_end)
        os._exit(0)
    listening.close()
    os.close(read_end)
    write_ends.append(write_end)
    return {"socket": path}


def _command_ended(request: dict[str, Any]) -> dict[str, Any]:
    """Run a command in a child. Returns: the attributes of ``Ended``."""
    out, err, ticks = (Path(request["spool"]).with_suffix(f".{kind}") for kind in ("out", "err", "ticks"))
    for path in (out, err, ticks):
        path.write_bytes(b"")
    child = os.fork()
    if child == 0:
        run = partial(_run_interrupted, request, ticks)
        if "cwd" in request:
            if request["umask"] is not None:
                os.umask(request["umask"])
            run = partial(run_program, request["arguments"], request["environ"], request["cwd"])
        streams = [os.open(path, os.O_RDWR) for path in ("/dev/null", out, err)]
        become(streams, request["test"], run, request["timeout_s"])
    _pid, status = os.waitpid(child, 0)
    said, errors, facts_path = (path.read_text(encoding="utf-8", errors="replace") for path in (out, err, ticks))
    facts = json.loads(facts_path) if facts_path else {"labels": [], "cpu_after_s": None}
    return {"returncode": os.waitstatus_to_exitcode(status), "stdout": said, "stderr": errors, **facts}


def _run_interrupted(request: dict[str, Any], facts_path: Path) -> None:
    """Run the command of this child, which carries out an action on itself at a tick."""
    from referral_warehouse.cli import run
    from tests.kills.ticks import Ticks, kill_this_process

    signalled_at: list[float] = []

    def later(seconds: float) -> None:
        def wait() -> None:
            time.sleep(seconds)
            kill_this_process()

        threading.Thread(target=wait, daemon=True).start()

    def send(number: int) -> None:
        signalled_at.append(time.process_time())
        os.kill(os.getpid(), number)

    actions = {
        "kill": kill_this_process, "sigterm": lambda: send(signal.SIGTERM), "sigint": lambda: send(signal.SIGINT),
    }  # fmt: skip
    action = actions.get(request["action"]) or (lambda: later(int(request["action"].split()[-1]) / 1e6))
    os.environ.update(request["environ"])
    os.chdir(Path(request["folder"]).parent)
    if request["limit"]:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["limit"], request["limit"]))
    if request["call_first"]:
        module, _, function = request["call_first"].partition(":")
        getattr(importlib.import_module(module), function)()
    ticks = Ticks(Path(request["folder"]), request["at"], request["pattern"], action)
    ticks.install()
    try:
        run(request["arguments"])
    finally:
        if request["limit"] == 0:
            spent = time.process_time() - signalled_at[0] if signalled_at else None
            facts_path.write_text(json.dumps({"labels": ticks.labels, "cpu_after_s": spent}), encoding="utf-8")


if __name__ == "__main__":
    _main()
