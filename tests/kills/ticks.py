"""Ticks: every step of a process that leaves something behind, in the order in which the steps begin.

A step is a change of a file or folder below the warehouse directory (from Python's own audit events, so that none
of dlt's or ours is overlooked), a statement given to DuckDB, or a call to the API. What happens before the n-th tick
is done to this process by itself: SIGKILL, or a signal that it may answer to.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.truncate"})
NAMES = re.compile(r"\d{9,}\.\d+|\b[0-9a-f]{8,}\b")
STATEMENTS = ("execute", "executemany", "begin", "commit", "rollback", "sql", "checkpoint")
Deed = Callable[[], None]


class Ticks:
    """Counts ticks and does a deed before the n-th (of those whose label the pattern finds)."""

    def __init__(self, folder: Path, at: int, pattern: str = "", deed: Deed | None = None) -> None:
        self._folder = str(folder)
        self._at = at
        self._pattern = re.compile(pattern)
        self._deed = deed
        self._lock = threading.Lock()
        self._seen = 0
        self.labels: list[str] = []

    def tick(self, label: str) -> None:
        """A step is about to be done."""
        label = NAMES.sub("*", label)
        with self._lock:
            self.labels.append(label)
            if not self._pattern.search(label):
                return
            self._seen += 1
            is_due = self._seen == self._at
        if is_due and self._deed is not None:
            self._deed()

    def install(self) -> None:
        """Count from now on, for the life of this process."""
        from referral_warehouse.api.transport import Transport

        sys.addaudithook(self._hear)
        fetch, connect = Transport.fetch, duckdb.connect

        def fetched(transport: Transport, target: str) -> Any:
            self.tick(f"call {target}")
            return fetch(transport, target)

        def connected(*args: Any, **options: Any) -> Any:
            return Connection(connect(*args, **options), self.tick)

        Transport.fetch = fetched  # type: ignore[method-assign, assignment]
        duckdb.connect = connected

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = args
            if isinstance(path, int) or not (flags & WRITING if mode is None else set(mode) & set("wax+")):
                return
            self._changed("write", (path,))
        elif event in CHANGES:
            self._changed(event.removeprefix("os."), args)

    def _changed(self, what: str, args: tuple[Any, ...]) -> None:
        paths = [os.fsdecode(arg) for arg in args if isinstance(arg, (str, bytes, os.PathLike))]
        is_relative = any(isinstance(arg, int) and arg > 2 for arg in args[1:]) and what in ("remove", "rmdir")
        if not is_relative and not any(self._folder in path for path in paths):
            return
        self.tick(" ".join([what, *(path.replace(f"{self._folder}/", "") for path in paths)]))


class Connection:
    """A DuckDB connection that reports each statement before it runs; otherwise the real one."""

    def __init__(self, real: duckdb.DuckDBPyConnection, tell: Callable[[str], None]) -> None:
        self._real = real
        self._tell = tell

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # dlt asks whether it was given a connection
        return duckdb.DuckDBPyConnection

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in STATEMENTS:
            return found

        def told(*args: Any, **options: Any) -> Any:
            self._tell(f"{name} {str(args[0]).strip()[:60]!r}" if args else name)
            return found(*args, **options)

        return told

    def cursor(self) -> Connection:
        return Connection(self._real.cursor(), self._tell)

    def duplicate(self) -> Connection:
        return Connection(self._real.duplicate(), self._tell)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_error: object) -> None:
        self._real.close()


def die() -> None:
    """Nothing runs after this."""
    os.kill(os.getpid(), signal.SIGKILL)
