"""A path that is no directory, or one that cannot be written: one line, exit code 2, nothing loaded or created."""

from __future__ import annotations

from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from tests.operate.conftest import Run

NAMES = ("WAREHOUSE__DIR", "WAREHOUSE__PUBLISH_DIR")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["file", "file/below", "file/further/below"])
def test_something_else_in_the_place_of_a_directory(
    referrals: Run, settings: Settings, tmp_path: Path, name: str, place: str
) -> None:
    file = tmp_path / "file"
    file.write_text("not a directory")
    for command in ("sync", "status", "publish"):
        refused = referrals(command, **{name: str(tmp_path / place)})
        assert (refused.code, refused.out, len(refused.err.splitlines())) == (2, "", 1), command
        assert str(file) in refused.err
        assert "not a directory" in refused.err or "There is no warehouse in" in refused.err
    assert sorted(tmp_path.iterdir()) == [file]
    assert not settings.warehouse_dir.exists()


def test_a_place_that_cannot_be_created_is_refused_before_anything_is_loaded(
    referrals: Run, settings: Settings
) -> None:
    """Root may write everywhere but here."""
    refused = referrals("sync", WAREHOUSE__PUBLISH_DIR="/proc/published")
    assert (refused.code, refused.out) == (2, "")
    assert "WAREHOUSE__PUBLISH_DIR /proc/published cannot be written: " in refused.err
    assert not settings.load_path.exists()


def test_a_place_of_somebody_else_is_refused_before_anything_is_created(
    referrals: Run, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("referral_warehouse.workspace.published_place.os.access", lambda *_: False)
    refused = referrals("sync", WAREHOUSE__PUBLISH_DIR=str(tmp_path / "share" / "published"))
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (2, "", 1)
    assert f"this user has no right to write {tmp_path}." in refused.err
    assert list(tmp_path.iterdir()) == []
