"""The file of outcomes, ``state/outcomes.jsonl``: a line is appended when a run starts and when it ends.

Lines are only ever appended. When the file is large it becomes ``outcomes.1.jsonl`` and a new one begins, with the
records that the history needs; both are read. A line that a kill or a full disk left incomplete is skipped, and the
next record begins on a line of its own.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from referral_warehouse.display_text import json_text
from referral_warehouse.operate.history import history_of
from referral_warehouse.operate.outcomes import Outcome, Start, from_record, to_record
from referral_warehouse.utc_times import parse_utc
from referral_warehouse.workspace.durable_files import write_whole_file
from referral_warehouse.workspace.file_kinds import kind_of, set_aside_unless_file

FILE, OLD_FILE = "outcomes.jsonl", "outcomes.1.jsonl"
MAX_BYTES = 256 * 1024
"""Size at which a new file begins: several hundred runs. Both files together stay below twice this and one line."""


class OutcomeLog:
    """The outcomes of one warehouse directory, by the path of its folder ``state``."""

    def __init__(self, state_dir: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = state_dir / FILE
        self._old = state_dir / OLD_FILE
        self._max_bytes = max_bytes

    def read(self) -> list[Start | Outcome]:
        """Every record, the oldest first. Raises: OSError when a file is there but cannot be read."""
        return [record for path in (self._old, self.path) for record in _records(path)]

    def append(self, *values: Start | Outcome) -> None:
        """Append records. Raises: OSError when they cannot all be written."""
        set_aside_unless_file(self.path)
        text = "".join(_line(to_record(value)) for value in values)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            data = (("\n" if is_torn else "") + text).encode()
            if os.write(descriptor, data) != len(data):  # on a full disk, a part may be written
                raise OSError(f"only a part of a line was written to {self.path}: the disk may be full")
        finally:
            os.close(descriptor)

    def begin_new_file(self, kept: Iterable[Outcome]) -> None:
        """Begin a new file where the present one is large; only the holder of the directory's lock may do so.

        Args: ``kept`` are the records that the history needs.
        Raises: OSError.
        """
        if kind_of(self.path) != "a file" or self.path.stat().st_size < self._max_bytes:
            return
        set_aside_unless_file(self._old)
        self.path.replace(self._old)
        self.append(*kept)

    def drop_older(self, before: datetime) -> int:
        """Remove records from before a time, except for those that the history needs; returns how many.

        Only the holder of the directory's lock may do so. Raises: OSError.
        """
        records = self.read()
        needed = {outcome.run for outcome in history_of(records).needed}
        old = {record.run for record in records if parse_utc(record.at) < before} - needed
        dropped = 0
        for path in (self._old, self.path) if old else ():
            found = _records(path)
            kept = [record for record in found if record.run not in old]
            if len(kept) < len(found):
                write_whole_file(path, "".join(_line(to_record(record)) for record in kept))
                path.chmod(0o600)
                dropped += len(found) - len(kept)
        return dropped


def _line(record: dict[str, Any]) -> str:
    return json_text(record, ascii_only=True) + "\n"


def _records(path: Path) -> list[Start | Outcome]:
    import json

    kind = kind_of(path)
    if kind == "unreachable":
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if kind != "a file":
        return []
    found = []
    for line in path.read_bytes().split(b"\n"):
        try:
            record = from_record(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if record is not None:
            found.append(record)
    return found
