"""Kinds of damage: functions that change, remove or replace what is at one path."""

from __future__ import annotations

import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

NOISE_SEED = 20260101


def _content(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """A damage of the content of a file, which keeps its mode."""

    def damage(path: Path) -> None:
        held = path.read_bytes()
        mode = path.stat().st_mode & 0o777
        path.chmod(0o600)
        path.write_bytes(change(held))
        path.chmod(mode)

    return damage


def _noise(held: bytes) -> bytes:
    return random.Random(NOISE_SEED).randbytes(max(len(held), 8))


def _middle_noise(held: bytes) -> bytes:
    third = len(held) // 3
    return held[:third] + random.Random(NOISE_SEED).randbytes(third) + held[2 * third :]


def _instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """A damage that replaces what is at a path by another kind of entry."""

    def damage(path: Path) -> None:
        missing(path)
        make(path)

    return damage


def missing(path: Path) -> None:
    """Remove the file, link or folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _folder_with_a_file(path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_text("not to be lost", encoding="utf-8")


def _socket(path: Path) -> None:
    """Bind a socket, by a relative path: absolute ones may be too long."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(before)


CONTENT: dict[str, Callable[[Path], None]] = {
    "half": _content(lambda held: held[: len(held) // 2]),
    "1 byte": _content(lambda held: held[:1]),
    "noise": _content(_noise),
    "noise in the middle": _content(_middle_noise),
    "text": _content(lambda held: (b"nothing of use " * (len(held) // 15 + 1))[: max(len(held), 8)]),
    "empty": _content(lambda _held: b""),
    "longer": _content(lambda held: held + _noise(held)[:1000]),
}
JSON: dict[str, Callable[[Path], None]] = {
    "[]": _content(lambda _held: b"[]"),
    "null": _content(lambda _held: b"null"),
    '{"a": 1}': _content(lambda _held: b'{"a": 1}'),
    '"text"': _content(lambda _held: b'"text"'),
    "deep": _content(lambda _held: b"[" * 100_000),
}
KINDS: dict[str, Callable[[Path], None]] = {
    "missing": missing,
    "a directory": _instead(_folder_with_a_file),
    "an empty directory": _instead(Path.mkdir),
    "a link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "a broken link": _instead(lambda path: path.symlink_to("nowhere/at/all")),
    "a named pipe": _instead(os.mkfifo),
    "a socket": _instead(_socket),
}
FOLDERS: dict[str, Callable[[Path], None]] = {
    "missing": missing,
    "a file": _instead(lambda path: path.write_text("not to be lost", encoding="utf-8")),
    "an empty file": _instead(Path.touch),
    "empty": _instead(Path.mkdir),
    "a link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "a broken link": _instead(lambda path: path.symlink_to("nowhere/at/all")),
    "a named pipe": _instead(os.mkfifo),
}


def damages_of(path: Path) -> dict[str, Callable[[Path], None]]:
    """Every damage that applies to what is at a path now."""
    if path.is_symlink():
        return KINDS
    if path.is_dir():
        return FOLDERS
    return CONTENT | (JSON if path.suffix in (".json", ".version") or path.name == ".version" else {}) | KINDS
