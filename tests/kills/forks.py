"""A process that has everything imported and forks a child for each command: a run that dies costs no start.

Usage: python -m tests.kills.forks [FOLDER OF MODELS]; reads a JSON object a line from standard input (see
``Forks.run``) and answers each with one. Every child is a process of its own, with its own signals, files and end.
``run_referrals`` is the function for tests that run a command as a process and do not test how the interpreter starts.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.kills.imported import import_all
from tests.lake import everywhere

PROJECT = Path(__file__).parents[2]
PATIENCE_S = 300


@dataclass(frozen=True)
class Ended:
    """How a child ended. ``returncode`` is minus the signal's number where a signal ended it."""

    returncode: int
    stdout: str
    stderr: str
    labels: list[str]
    cpu_after_s: float | None
    """CPU seconds between a signal that the child may answer to and its end."""


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
        deed: str = "kill", limit: int = 0, prelude: str = "", patience_s: int = PATIENCE_S,
    ) -> Ended:  # fmt: skip
        """``referrals ARGUMENTS`` on a warehouse directory; ``deed`` is done before the ``at``-th tick of a pattern.

        ``deed``: ``kill``, ``sigterm``, ``sigint``, or ``kill after N`` (microseconds later, whatever runs then).
        ``limit``: no file may grow beyond these bytes (0 = none). ``prelude`` names a
        function (``module:function``) that is called first in the child. After ``patience_s`` seconds it ends with 1.
        """
        return self._ask({
            "folder": str(folder), "spool": str(folder), "arguments": list(arguments), "environ": dict(environ),
            "at": at, "pattern": pattern, "deed": deed, "limit": limit, "prelude": prelude, "patience_s": patience_s,
        })  # fmt: skip

    def referrals(
        self, arguments: Sequence[str], environ: Mapping[str, str], folder: Path
    ) -> subprocess.CompletedProcess[str]:
        """``referrals ARGUMENTS`` from its first line, with exactly this environment, in a working directory."""
        with tempfile.TemporaryDirectory() as spool:
            ended = self._ask({
                "cwd": str(folder), "spool": f"{spool}/said", "arguments": list(arguments), "environ": dict(environ),
                "patience_s": PATIENCE_S,
            })  # fmt: skip
        return subprocess.CompletedProcess(list(arguments), ended.returncode, ended.stdout, ended.stderr)

    def _ask(self, asked: dict[str, Any]) -> Ended:
        if direct := [name for name in asked["environ"] if name.upper().startswith("DLT_")]:
            raise ValueError(f"dlt reads {direct} while it is imported, which has been done; start an interpreter")
        asked["test"] = everywhere.current_test()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))


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
    gc.freeze()  # a child copies no page only because it looks for garbage
    for line in sys.stdin:
        asked = json.loads(line)
        names = [Path(asked["spool"]).with_suffix(f".{kind}") for kind in ("out", "err", "ticks")]
        for name in names:
            name.write_bytes(b"")
        child = os.fork()
        if child == 0:
            _become(asked, *names)
        _pid, status = os.waitpid(child, 0)
        out, err, ticks = (name.read_text(encoding="utf-8", errors="replace") for name in names)
        told = json.loads(ticks) if ticks else {"labels": [], "cpu_after_s": None}
        answer = {"returncode": os.waitstatus_to_exitcode(status), "stdout": out, "stderr": err, **told}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _become(asked: dict[str, Any], out: Path, err: Path, told: Path) -> None:
    """Turn the forked child into the command; never returns."""
    from referral_warehouse.__main__ import main
    from referral_warehouse.cli import run
    from tests.kills.ticks import Ticks, die

    code, signalled_at = 70, []
    everywhere.begin_command(asked["test"])

    def later(seconds: float) -> None:
        def wait() -> None:
            time.sleep(seconds)
            die()

        threading.Thread(target=wait, daemon=True).start()

    def send(number: int) -> None:
        signalled_at.append(time.process_time())
        os.kill(os.getpid(), number)

    deeds = {"kill": die, "sigterm": lambda: send(signal.SIGTERM), "sigint": lambda: send(signal.SIGINT)}
    try:
        for number, path in ((0, "/dev/null"), (1, out), (2, err)):
            os.dup2(os.open(path, os.O_RDWR), number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        faulthandler.dump_traceback_later(asked["patience_s"], exit=True)  # whoever hangs says where
        if "cwd" in asked:
            os.environ.clear()
            os.environ.update(asked["environ"])
            os.chdir(asked["cwd"])
            sys.argv = ["referrals", *asked["arguments"]]
            try:
                main()
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 0
            return
        deed = deeds.get(asked["deed"]) or (lambda: later(int(asked["deed"].split()[-1]) / 1e6))
        os.environ.update(asked["environ"])
        os.chdir(Path(asked["folder"]).parent)
        if asked["limit"]:
            import resource

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"], asked["limit"]))
        if asked["prelude"]:
            module, _, function = asked["prelude"].partition(":")
            getattr(importlib.import_module(module), function)()
        ticks = Ticks(Path(asked["folder"]), asked["at"], asked["pattern"], deed)
        ticks.install()
        try:
            run(asked["arguments"])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        if asked["limit"] == 0:
            spent = time.process_time() - signalled_at[0] if signalled_at else None
            told.write_text(json.dumps({"labels": ticks.labels, "cpu_after_s": spent}), encoding="utf-8")
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
    _main()
