"""A directory that another user owns or wrote in: one line, exit code 2, nothing touched and nothing sent."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.cli.recorded_run import CREATE
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.ownership import OWN_NAMES, refuse_closed_directory, refuse_files_of_others
from tests.operate.conftest import Run
from tests.operate.receiver import Receiver

ROOT, ME, OTHER = 0, 70_001, 70_002
USERS = st.sampled_from([ROOT, ME, OTHER])
WRITING = (*sorted(CREATE), "build", "publish", "fix-clock")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="files of several users need root")


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    found = {path: path.lstat() for path in (folder, *folder.rglob("*"))}
    return {str(path): (status.st_size, status.st_mtime_ns) for path, status in found.items()}


@pytest.mark.parametrize("command", WRITING)
def test_a_directory_of_another_user_is_refused(
    referrals: Run, synced: Settings, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    before = contents(synced.warehouse_dir)
    monkeypatch.setattr("os.geteuid", lambda: ME)
    monkeypatch.setattr("referral_warehouse.workspace.ownership.ROOT", OTHER)
    with Receiver() as receiver:
        done = referrals(command, NOTIFY__PING_URL=receiver.url("ping"))
        assert receiver.received == []
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert f"{synced.warehouse_dir} belongs to the user" in done.err
    assert f"runs as the user with number {ME}. Nothing was changed. Next: Run it as the owner" in done.err
    assert contents(synced.warehouse_dir) == before


@needs_root
@given(top=USERS, owners=st.dictionaries(st.sampled_from(OWN_NAMES), USERS), me=USERS)
def test_only_own_files_are_used_in_a_directory_of_ones_own_or_of_root(
    top: int, owners: dict[str, int], me: int
) -> None:
    """Also where root synced once with sudo, or a user in a directory of root's."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        for entry, owner in sorted(owners.items()):
            path = folder / entry
            path.mkdir(parents=True)
            os.chown(path, owner, owner)
        made_on_the_way = (folder / "state").exists() and "state" not in owners
        os.chown(folder, top, top)
        patch.setattr("os.geteuid", lambda: me)
        inside = {*owners.values(), *([ROOT] if made_on_the_way else [])}
        if top not in (ROOT, me) or inside - {me}:
            with pytest.raises(ConfigurationError, match="belongs to"):
                refuse_files_of_others(folder)
        else:
            refuse_files_of_others(folder)


def test_a_path_that_does_not_exist_has_no_owner(tmp_path: Path) -> None:
    refuse_files_of_others(tmp_path / "missing" / "data")
    refuse_closed_directory(tmp_path / "missing" / "data")


@needs_root
@pytest.mark.parametrize("closed", ["data", "data/state"])
def test_a_directory_that_cannot_be_entered_does_not_look_empty(closed: str) -> None:
    """For ``status``, which would report that nothing is published."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        (top / "data" / "state").mkdir(parents=True)
        for folder in (top, top / "data", top / "data" / "state"):
            folder.chmod(0o755)
        (top / closed).chmod(0o700)
        os.seteuid(OTHER)
        try:
            with pytest.raises(ConfigurationError) as refused:
                refuse_closed_directory(top / "data")
        finally:
            os.seteuid(ROOT)
        assert f"{top / closed} cannot be entered by the user with number {OTHER}." in refused.value.message


def test_reading_violations_creates_no_file(referrals: Run, settings: Settings, tmp_path: Path) -> None:
    """Otherwise root would leave a file in the directory of another user."""
    for command in ("status", "strikes"):
        referrals(command, XDG_STATE_HOME="", HOME=str(tmp_path / "no home"))
        referrals(command)
    assert not settings.warehouse_dir.exists()
    assert not (tmp_path / "machine").exists()
    assert not (tmp_path / "no home").exists()
