"""Processes that read while a test publishes or delivers, and report at the end what they have seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]


@contextmanager
def reading(module: str, *arguments: str, environ: Mapping[str, str], readers: int) -> Iterator[list[dict[str, Any]]]:
    """Processes that read for the length of a ``with``.

    Args: ``module`` is what each runs; it says "ready", reads until its input ends, and prints its report as JSON.

    Yields: their reports, which are there at its end.
    """
    known = {**environ, "PYTHONPATH": f"{PROJECT / 'pipelines'}{os.pathsep}{PROJECT}"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=PROJECT, env=known, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(readers)
    ]  # fmt: skip
    reports: list[dict[str, Any]] = []
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield reports
    finally:
        reports += [json.loads(process.communicate()[0]) for process in processes]
