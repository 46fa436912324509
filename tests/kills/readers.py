"""A process that reads a published warehouse continuously, read-only as a BI tool would, and reports what it read.

Usage: python -m tests.kills.readers; a line on standard input names the link to read, an empty one asks for the report.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb

PROJECT = Path(__file__).parents[2]
PAUSE_S = 0.01
"""Seconds between two checks of the link and its file: a change is read at once."""
UNCHANGED_PAUSE_S = 0.2
"""Seconds between two reads of an unchanged file: a read takes a fortieth of a CPU second."""
CONSISTENCY_QUERY = """
select
    (select sum(stage_count) from marts.referral_funnel where stage = 'users') as in_the_funnel,
    (select count(*) from core.users) as in_core,
    (select count(*) from core.users where deleted_at is not null) as gone,
    (select count(*) from ops.checks where severity = 'fail' and violations_count > 0) as failed,
    (select count(*) from marts.reward_liability_daily) as days
"""


class Reader(AbstractContextManager["Reader"]):
    """The reading process, from outside."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.kills.readers"], cwd=PROJECT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)

    def begin(self, link: Path) -> None:
        """Read this warehouse until the report is asked for."""
        self._tell(str(link))

    def report(self) -> dict[str, Any]:
        """The numbers since ``begin``: ``reads`` without an error, ``errors``, and ``torn_reads`` of mixed states."""
        self._tell("")
        assert self._process.stdout is not None
        seen: dict[str, Any] = json.loads(self._process.stdout.readline())
        return seen

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def _main() -> None:
    for line in sys.stdin:
        asked = threading.Event()
        seen: dict[str, Any] = {"reads": 0, "errors": [], "torn_reads": []}
        reading = threading.Thread(target=_read, args=(Path(line.rstrip("\n")), asked, seen))
        reading.start()
        sys.stdin.readline()
        asked.set()
        reading.join()
        sys.stdout.write(json.dumps(seen) + "\n")
        sys.stdout.flush()


def _read(link: Path, asked: threading.Event, seen: dict[str, Any]) -> None:
    was_there, is_last, before, read_at = False, False, None, 0.0
    while not is_last:
        is_last = asked.is_set()
        now = _state(link)
        was_there = was_there or now is not None  # before the first publication there is nothing to read
        if was_there and (now != before or is_last or time.monotonic() - read_at >= UNCHANGED_PAUSE_S):
            _read_once(link, seen)
            before, read_at = now, time.monotonic()
        time.sleep(PAUSE_S)


def _state(link: Path) -> tuple[int, ...] | None:
    """Which file is published and when it was changed; None where there is none."""
    try:
        found = link.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read_once(link: Path, seen: dict[str, Any]) -> None:
    try:
        with duckdb.connect(str(link), read_only=True) as connection:
            row = connection.execute(CONSISTENCY_QUERY).fetchall()[0]
        seen["reads"] += 1
        funnel, users, gone, failed, _days = row
        if users - gone != (funnel or 0) or failed:
            seen["torn_reads"].append([int(value or 0) for value in row])
    except duckdb.Error as error:
        seen["errors"].append(str(error))


if __name__ == "__main__":
    _main()
