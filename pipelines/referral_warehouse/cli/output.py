"""Standard output and standard error of a command: everything that it prints goes through here.

Errors of the output do not end the work of a command: an encoding that lacks a character, a closed or full file, or a
reader that has ended. Output that cannot be written is discarded; ``end_output`` decides the exit code. Knows no
command; imports nothing slow.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import click

from referral_warehouse.display_text import LINE_COLUMNS, display_text, json_text
from referral_warehouse.utc_times import iso_utc_seconds

DONE = "done"
"""The key of the command's result in the object that the group and its commands share."""
STDOUT, STDERR = 1, 2
READER_IS_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EBADF})

_descriptors: dict[int, Descriptor] = {}


class Descriptor(io.FileIO):
    """A file descriptor to write to; after the first failure all output is discarded. ``failure`` is the error."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "wb", closefd=False)
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all or some of ``data``, as any file does; it never raises."""
        while self.failure is None:
            try:
                written = super().write(data)
            except OSError as error:
                self.failure = error
                break
            if written is not None:
                return written
            select.select([], [self.fileno()], [])  # the parent process made the descriptor non-blocking
        return memoryview(data).nbytes


def open_output(closed: Collection[int] = ()) -> None:
    """Replace standard output and standard error. Output to one that is ``closed`` is discarded."""
    for number, name in ((STDOUT, "stdout"), (STDERR, "stderr")):
        before: Any = getattr(sys, name)
        if before is not None:
            with contextlib.suppress(OSError, ValueError):
                before.flush()
        descriptor = Descriptor(number)
        if number in closed or before is None:
            descriptor.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
        stream = io.TextIOWrapper(
            io.BufferedWriter(descriptor),
            encoding=getattr(before, "encoding", None) or "utf-8",
            errors="backslashreplace",
            line_buffering=number == STDERR or getattr(before, "line_buffering", False),
            write_through=getattr(before, "write_through", False),
        )
        _descriptors[number] = descriptor
        setattr(sys, name, stream)


def write_line(text: str = "") -> None:
    """A line on standard output, flushed; its text cannot contain a line break."""
    sys.stdout.write(display_text(text, LINE_COLUMNS) + "\n")
    sys.stdout.flush()


def write_json(value: Any) -> None:
    """One machine-readable line on standard output: valid JSON in any encoding."""
    sys.stdout.write(json_text(value, ascii_only=not is_utf8(sys.stdout)) + "\n")


def write_text(text: str) -> None:
    """A text with line breaks on standard output, unchanged: only for texts of this project."""
    sys.stdout.write(text)


def write_bytes(data: bytes) -> None:
    """A file for another program on standard output: the bytes as they are, whatever the encoding of texts."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


def write_event(level: str, event: str, text: str, *, as_json: bool, **facts: Any) -> None:
    """A line about the command itself on standard error; ``as_json`` makes it an object, for collectors."""
    if as_json:
        at = iso_utc_seconds(datetime.now(UTC))
        record = {"at": at, "level": level, "event": event, "message": text, **facts}
        sys.stderr.write(json_text(record, ascii_only=not is_utf8(sys.stderr)) + "\n")
    else:
        sys.stderr.write(f"referrals: {display_text(text, LINE_COLUMNS)}\n")


def warn(event: str, text: str) -> None:
    """A warning of the current command, in the format of its log."""
    context = click.get_current_context(silent=True)
    options = {} if context is None else context.ensure_object(dict)
    write_event("warning", event, text, as_json=options.get("log_format") == "json")


def is_utf8(stream: Any) -> bool:
    """Whether a text stream can encode every character."""
    return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name == "utf-8"


def is_output_lost() -> bool:
    """Whether writing to standard output has failed, so that a long listing can end."""
    descriptor = _descriptors.get(STDOUT)
    return descriptor is not None and descriptor.failure is not None


def work_is_done(what: str) -> None:
    """Record the result of the command; failures afterwards are only warnings."""
    click.get_current_context().ensure_object(dict)[DONE] = what


def end_output(code: int, *, done: str | None, as_json: bool) -> int:
    """Flush the output, and report failures to write it. Returns: the exit code of the command.

    A command with a result (``done``) warns; one whose only result is its output fails, unless its reader has ended
    or standard output was closed from the start.
    """
    sys.stdout.flush()
    descriptor = _descriptors.get(STDOUT)
    failure = descriptor.failure if descriptor is not None else None
    if failure is not None and code == 0:
        reason = failure.strerror or type(failure).__name__
        if done is not None:
            write_event(
                "warning", "output", f"{done} Only its report could not be printed ({reason}).", as_json=as_json
            )
        elif failure.errno not in READER_IS_GONE:
            code = 1
            text = f"The output could not be written ({reason}). Nothing was changed. Next: Write it to another place."
            write_event("error", "output", text, as_json=as_json, exit_code=code)
    sys.stderr.flush()
    return code
