"""CPU seconds, wall time and peak memory of a command with everything it starts, as the operating system counts them.

CPU time is user + system of the process and of all descendants that were waited for. Peak memory is the larger of the
kernel's own record of the largest single process and the sampled sum over the tree (Linux; elsewhere the record alone).
The measuring process must stay small: the kernel lets a child's record begin at its parent's size.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_S = 0.02
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
MB = 1e6


@dataclass(frozen=True)
class Usage:
    """What one run took. Units: seconds and megabytes (10^6 bytes)."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    exit_code: int
    output: str
    errors: str


def measure(arguments: Sequence[str], environ: Mapping[str, str], folder: Path) -> Usage:
    """Run a command to its end and take its measure; a failure shows in ``exit_code``."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            arguments, env=environ, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        sampler = _Sampler(process.pid)
        sampler.start()
        _, status, resources = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.finish()
        output.seek(0)
        errors.seek(0)
        return Usage(
            cpu_s=resources.ru_utime + resources.ru_stime,
            wall_s=wall_s,
            peak_mb=max(resources.ru_maxrss * RSS_UNIT, sampler.peak) / MB,
            exit_code=process.returncode,
            output=output.read().decode(errors="replace"),
            errors=errors.read().decode(errors="replace")[-2000:],
        )


class _Sampler(threading.Thread):
    """Adds up the resident memory of a process and its descendants until ``finish`` is called."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0
        self._done = threading.Event()

    def run(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while Path("/proc/self/statm").exists() and not self._done.wait(SAMPLE_EVERY_S):
            self.peak = max(self.peak, sum(_resident_pages(pid) for pid in _tree(self.pid)) * page)

    def finish(self) -> None:
        self._done.set()
        self.join()


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            threads = list(Path(f"/proc/{parent}/task").iterdir())
        except OSError:  # ended meanwhile
            continue
        for thread in threads:
            try:
                found += [int(child) for child in (thread / "children").read_text().split()]
            except OSError:
                continue
    return found


def _resident_pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):  # ended meanwhile
        return 0
