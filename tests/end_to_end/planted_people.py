"""People whose every field is a value that occurs nowhere else, and the search for such values on disk.

Must not know what a test does with them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.end_to_end.small_api import Row, account

MARK = b"zq7plant"
"""In every planted value, in lower case, which no other text of the account or the product has."""


def _mark(number: int, field: str) -> str:
    return f"{MARK.decode()}{number}x{field}"


def planted(people: int = 20) -> dict[str, list[Row]]:
    """A small account in which users 1 to ``people`` are planted: two rows of them cannot be read.

    Rows of users 2 and 3 name user 1 too, as the person who referred them.
    """
    lists = account(users=people + 10, campaigns=2)
    for row in lists["users"][:people]:
        row.update(_user(int(row["id"])))
        row["coupon"] |= {"holder_note": _mark(row["id"], "coupon")}
    for name in ("rewards/due", "rewards/issued"):
        for row in lists[name]:
            if row["recipient_id"] <= people:
                row.update(_recipient(row["recipient_id"]))
            if row["recipient_id"] == 2:
                row |= {"referrer_name": _mark(1, "name"), "referrer_email": _address(1)}
    lists["users"][1] |= {"referrer": _referrer(1), "invited": {"by": _address(1)}}
    lists["users"][people - 1]["qualified"] = _mark(people, "qualified")
    lists["rewards/due"][2] |= {"total_value": _mark(3, "value"), "recipient_id": "3.0", "recipient_email": None}
    lists["rewards/due"][2] |= {"referrer": _referrer(1)}
    return lists


def _address(number: int) -> str:
    return f"{_mark(number, 'mail')}@{_mark(number, 'home')}.example"


def _referrer(number: int) -> dict[str, Any]:
    return {"id": number, "first_name": _mark(number, "name"), "code": _mark(number, "code")}


def _user(number: int) -> dict[str, Any]:
    return {
        "first_name": _mark(number, "name"), "email": _address(number),
        "code": _mark(number, "code"), "url": f"https://example.com/{_mark(number, 'url')}",
        "meta": {"city": _mark(number, "meta")}, "sharing": {"x": _mark(number, "sharing")},
        "sharing_message": {"de": _mark(number, "message")}, "phone": _mark(number, "phone"),
    }  # fmt: skip


def _recipient(number: int) -> dict[str, Any]:
    return {
        "recipient_first_name": _mark(number, "name"), "paid_by": _mark(number, "payer"),
        "recipient_email": _address(number),
    }  # fmt: skip


def marks_of(number: int) -> bytes:
    """What is in every planted value of a person and in no other's."""
    return MARK + f"{number}x".encode()


def files_with(mark: bytes, *folders: Path) -> list[str]:
    """Files below folders that hold a mark anywhere in their bytes."""
    return [
        str(path) for folder in folders for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and mark in _bytes(path)
    ]  # fmt: skip


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


@contextmanager
def watched(mark: bytes, *folders: Path) -> Iterator[list[str]]:
    """Search changed files again and again while the block runs; yields what was found."""
    found: list[str] = []
    is_over = threading.Event()
    states: dict[str, tuple[int, int]] = {}

    def watch() -> None:
        while not is_over.is_set():
            for folder in folders:
                for place, _, names in os.walk(folder):
                    for path in (Path(place) / name for name in names):
                        found.extend(_changed(path, mark, states))
            time.sleep(0.005)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        is_over.set()
        watcher.join()


def _changed(path: Path, mark: bytes, states: dict[str, tuple[int, int]]) -> list[str]:
    try:
        status = path.stat()
        state = (status.st_size, status.st_mtime_ns)
        if states.get(str(path)) == state:
            return []
        states[str(path)] = state
        return [str(path)] if mark in path.read_bytes() else []
    except OSError:
        return []
