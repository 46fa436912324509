"""The links to the published snapshot are created again, also by a sync that finds nothing new."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from tests.operate.conftest import Run


def test_a_sync_that_finds_nothing_new_creates_a_lost_link_again(referrals: Run, synced: Settings) -> None:
    """One that is gone, and one that leads nowhere, each of both once."""
    links = [synced.warehouse_dir / name for name in ("warehouse.duckdb", "feeds")]
    targets = [link.readlink() for link in links]
    for gone, wrong in (links, reversed(links)):
        gone.unlink()
        _replace(wrong, "snapshots/000009/nowhere")
        idle = json.loads(referrals("sync", "--json").out)
        assert (idle["published"], [link.readlink() for link in links]) == (False, targets)
        assert sorted(idle["recovered"]) == sorted(
            f"{link} was missing; it points at snapshot 1 again" for link in links
        )
    links[0].unlink()
    idle = json.loads(referrals("sync", "--json").out)
    assert idle["recovered"] == [f"{links[0]} was missing; it points at snapshot 1 again"], "the other one is there"


def test_where_there_are_no_links_none_is_missed(
    referrals: Run, synced: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for link in (synced.warehouse_path, synced.feeds_dir):
        link.unlink()
    done = referrals("sync", "--json")
    idle = json.loads(done.out)
    assert (idle["published"], idle["recovered"], done.err) == (False, [], "")


def test_a_link_that_cannot_be_created_is_a_warning(
    referrals: Run, synced: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    synced.warehouse_path.unlink()
    monkeypatch.setattr(Path, "symlink_to", refuse)
    done = referrals("sync", "--json")
    assert (done.code, json.loads(done.out)["published"]) == (0, False)
    assert "a link to snapshot 1 is missing and could not be created" in done.err


def _replace(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)
