"""The group of readers and the directory of what is published: what is accepted, and what is refused and why."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.settings.readers_group import LARGEST_GROUP

NOBODY = 54_321
NAMES = {entry.gr_name for entry in grp.getgrall()}


def load(folder: Path, **environ: str) -> Settings:
    return load_settings(environ=environ, folder=folder, home=folder / "home")


def test_a_group_has_a_name_or_a_number(tmp_path: Path) -> None:
    own = grp.getgrgid(os.getegid())
    for text in (own.gr_name, str(own.gr_gid)):
        group = load(tmp_path, WAREHOUSE__READERS_GROUP=text).readers_group
        assert group is not None
        assert (group.number, str(group)) == (own.gr_gid, text)
    assert load(tmp_path).readers_group is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to any group")
def test_a_number_needs_no_entry(tmp_path: Path) -> None:
    group = load(tmp_path, WAREHOUSE__READERS_GROUP="54330").readers_group
    assert group is not None
    assert group.number == 54_330


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_whatever_is_not_a_group_is_refused_in_one_line(text: str) -> None:
    meant = text.strip().strip("'\"")
    assume(meant and meant not in NAMES and not (meant.isascii() and meant.isdigit() and int(meant) <= LARGEST_GROUP))
    with pytest.raises(ConfigurationError) as refused:
        load(Path("/"), WAREHOUSE__READERS_GROUP=text)
    assert "WAREHOUSE__READERS_GROUP" in refused.value.message
    assert len(refused.value.message.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_group_that_this_user_is_not_in_is_refused(tmp_path: Path) -> None:
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(ConfigurationError, match="not a member") as refused:
            load(Path("/"), WAREHOUSE__READERS_GROUP="0")
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
    assert "usermod --append" in refused.value.next_step


@pytest.mark.parametrize(
    ("published", "is_refused"),
    [
        ("data", False), ("published", False), ("data-published", False), ("data/published", True), (".", True),
        ("data/state", True), ("link/published", True),
    ],
)  # fmt: skip
def test_directories_inside_one_another_are_refused(tmp_path: Path, published: str, is_refused: bool) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    if is_refused:
        with pytest.raises(ConfigurationError, match="one inside the other"):
            load(tmp_path, WAREHOUSE__PUBLISH_DIR=published)
    else:
        settings = load(tmp_path, WAREHOUSE__PUBLISH_DIR=published)
        assert settings.warehouse_path == tmp_path / published / "warehouse.duckdb"
        assert settings.load_path == tmp_path / "data" / "load.duckdb"
