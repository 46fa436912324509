"""Where the files of tests are: in memory where there is room and programs can be started from it, else on the disk."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests import conftest

PROC = Path("/proc")
"""A file system from which nothing is started, on every machine with Linux."""


def chosen(monkeypatch: pytest.MonkeyPatch, folder: Path, room_bytes: int, markers: str = "not full") -> str | None:
    """The folder that pytest would be given, for a folder in memory and the room that is asked for."""
    monkeypatch.delenv("PYTEST_DEBUG_TEMPROOT", raising=False)
    monkeypatch.setattr(conftest, "IN_MEMORY", folder)
    monkeypatch.setattr(conftest, "ROOM_BYTES", room_bytes)
    conftest.keep_files_in_memory(cast("Any", SimpleNamespace(option=SimpleNamespace(markexpr=markers))))
    return os.environ.get("PYTEST_DEBUG_TEMPROOT")


def test_files_are_in_memory_where_there_is_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert chosen(monkeypatch, tmp_path, 1) == str(tmp_path)
    assert chosen(monkeypatch, tmp_path, 1, "not full and not slow") == str(tmp_path)
    assert chosen(monkeypatch, tmp_path, 1 << 60) is None, "there is no room"
    assert chosen(monkeypatch, tmp_path / "missing", 1) is None


@pytest.mark.parametrize("markers", ["full", "full and not slow", "full or not full"])
def test_the_files_of_long_tests_stay_on_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, markers: str
) -> None:
    assert chosen(monkeypatch, tmp_path, 1, markers) is None


@pytest.mark.skipif(not PROC.is_dir() or not os.statvfs(PROC).f_flag & os.ST_NOEXEC, reason="no such file system")
def test_files_stay_on_the_disk_where_programs_cannot_be_started_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, PROC, 0) is None


def test_a_choice_that_was_made_before_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", "/elsewhere")
    monkeypatch.setattr(conftest, "IN_MEMORY", tmp_path)
    monkeypatch.setattr(conftest, "ROOM_BYTES", 1)
    conftest.keep_files_in_memory(cast("Any", SimpleNamespace(option=SimpleNamespace(markexpr="not full"))))
    assert os.environ["PYTEST_DEBUG_TEMPROOT"] == "/elsewhere"
