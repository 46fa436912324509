"""Counts ticks: the steps of a process that have an effect outside of it, in the order in which they begin.

A step is a change of a file or folder below the warehouse directory (from Python's own audit events, so that those of
dlt are included), a statement given to DuckDB, or a call to the API. Before the n-th tick, the process sends itself
SIGKILL, or a signal that it can handle.
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
Action = Callable[[], None]


class Ticks:
    """Counts ticks, and carries out an action before the n-th of those whose label matches the pattern."""

    def __init__(self, folder: Path, at: int, pattern: str = "", action: Action | None = None) -> None:
        self._folder = str(folder)
        self._at = at
        self._pattern = re.compile(pattern)
        self._action = action
        self._lock = threading.Lock()
        self._seen = 0
        self.labels: list[str] = []

    def tick(self, label: str) -> None:
        """Count a step that is about to begin."""
        label = NAMES.sub("*", label)
        with self._lock:
            self.labels.append(label)
            if not self._pattern.search(label):
                return
            self._seen += 1
            is_due = self._seen == self._at
        if is_due and self._action is not None:
            self._action()

    def install(self) -> None:
        """Count from now on, for the life of this process."""
        from referral_warehouse.api.transport import Transport

        sys.addaudithook(self._on_audit_event)
        fetch, connect = Transport.fetch, duckdb.connect

        def fetched(transport: Transport, target: str) -> Any:
            self.tick(f"call {target}")
            return fetch(transport, target)

        def connected(*args: Any, **options: Any) -> Any:
            return Connection(connect(*args, **options), self.tick)

        Transport.fetch = fetched  # type: ignore[method-assign, assignment]
        duckdb.connect = connected

    def _on_audit_event(self, event: str, args: tuple[Any, ...]) -> None:
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

    def __init__(self, real: duckdb.DuckDBPyConnection, report: Callable[[str], None]) -> None:
        self._real = real
        self._report = report

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # dlt asks whether it was given a connection
        return duckdb.DuckDBPyConnection

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in STATEMENTS:
            return found

        def reported(*args: Any, **options: Any) -> Any:
            self._report(f"{name} {str(args[0]).strip()[:60]!r}" if args else name)
            return found(*args, **options)

        return reported

    def cursor(self) -> Connection:
        return Connection(self._real.cursor(), self._report)

    def duplicate(self) -> Connection:
        return Connection(self._real.duplicate(), self._report)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_error: object) -> None:
        self._real.close()


def kill_this_process() -> None:
    """Send SIGKILL to this process; no code runs after that."""
    os.kill(os.getpid(), signal.SIGKILL)
