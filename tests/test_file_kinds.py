"""What is at a path, also where another process makes it at that moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from referral_warehouse.workspace.file_kinds import kind_of


def test_a_file_that_is_created_between_two_checks_is_not_a_broken_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = Path.stat

    def made_after(path: Path, *, follow_symlinks: bool = True) -> object:
        try:
            return stat(path, follow_symlinks=follow_symlinks)
        finally:
            if follow_symlinks:
                path.touch()

    monkeypatch.setattr(Path, "stat", made_after)
    assert kind_of(tmp_path / "calls.sqlite3-wal") == "a file"


def test_links_are_followed_and_broken_ones_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "circle").symlink_to("circle")
    kinds = {name: kind_of(tmp_path / name) for name in ("file", "link", "nowhere", "circle", "none", ".")}
    assert kinds == {
        "file": "a file", "link": "a file", "nowhere": "a broken link", "circle": "a broken link", "none": None,
        ".": "a directory",
    }  # fmt: skip
