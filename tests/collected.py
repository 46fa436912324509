"""What pytest collects, in a fork of the process: where all tests run, it has what their modules import already."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


def collected(*arguments: str) -> tuple[int, str]:
    """``pytest --collect-only`` with some arguments, in the project's folder. Returns: its exit code and its output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        child = os.fork()
        if child == 0:
            _collect(said.fileno(), arguments)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read()


def _collect(output: int, arguments: tuple[str, ...]) -> None:
    code = 1
    try:
        os.dup2(output, 1)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        os.chdir(PROJECT)
        # Import the modules of tests again: pytest escapes the names of cases once for each time it collects them.
        for name in [name for name in sys.modules if name.rpartition(".")[2].startswith("test_")]:
            del sys.modules[name]
        code = pytest.main(["--collect-only", *arguments])
        sys.stdout.flush()
    finally:
        os._exit(code)
