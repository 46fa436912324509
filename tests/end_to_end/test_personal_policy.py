"""Personal values are written to the disk only as the policy says, from the first sync on and also after kills."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.planted_people import MARK, files_with, planted, watched
from tests.end_to_end.small_api import Row
from tests.end_to_end.small_warehouse import SmallWarehouse

Small = Callable[[dict[str, list[Row]]], SmallWarehouse]
FREE = {"WAREHOUSE__MAX_QUARANTINE_PERCENT": "100", "WAREHOUSE__FEEDS_HAVE_PERSONAL": "true"}


@pytest.fixture
def key(tmp_path: Path) -> dict[str, str]:
    """The settings of pseudonyms, with a key."""
    path = tmp_path / "secrets" / "key"
    path.parent.mkdir()
    path.write_text(secrets.token_hex(32), encoding="ascii")
    path.chmod(0o600)
    return {**FREE, "PRIVACY__MODE": "pseudonymise", "PRIVACY__KEY_FILE": str(path)}


def _held(ours: SmallWarehouse) -> list[str]:
    return files_with(MARK, ours.data, ours.data.with_name("machine"))


def _synced(ours: SmallWarehouse, *options: str, command: str = "sync", **settings: str) -> dict[str, Any]:
    ended = ours.run(command, "--json", *options, **settings)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize("mode", ["pseudonymise", pytest.param("drop", marks=pytest.mark.full)])
def test_no_value_is_on_disk_at_any_time_from_the_first_sync_on(small: Small, key: dict[str, str], mode: str) -> None:
    ours = small(planted())
    with watched(MARK, ours.data, ours.data.with_name("machine")) as seen:
        _synced(ours, **key | {"PRIVACY__MODE": mode})
    assert seen == []
    assert _held(ours) == []
    assert ours.live()["users"] == 29
    assert ours.published("select count(*) from ops.quarantine where is_open") == [(2,)]


@pytest.mark.full
def test_without_a_policy_the_search_finds_the_values(small: Small) -> None:
    ours = small(planted())
    with watched(MARK, ours.data) as seen:
        _synced(ours, command="load", **FREE)
    assert {Path(path).suffix for path in seen} >= {".duckdb"}
    assert _held(ours) == [str(ours.data / "load.duckdb")]


@pytest.mark.full
def test_a_change_of_the_policy_holds_for_what_is_stored_and_published(small: Small, key: dict[str, str]) -> None:
    """The load file and its free blocks, the snapshots before, their feeds, what is left in dlt's folder."""
    ours = small(planted())
    _synced(ours, **FREE)
    before = ours.loaded("select * exclude (first_name, email, code, url, meta, sharing, sharing_message, _extra, "
                         "_dlt_load_id, _fetched_at) from raw.users order by id")  # fmt: skip
    versions = ours.loaded("select count(*) from raw.rewards_due")
    rows = _synced(ours, **key)
    assert _held(ours) == []
    assert rows["snapshot"] == 2
    assert ours.loaded("select count(*) from raw.rewards_due") == versions, "no version began"
    assert len(before) == 29
    assert ours.loaded("select count(distinct email), count(email) from raw.users") == [(29, 29)]
    joined = (
        "select count(*) from raw.users join raw.rewards_due on recipient_id = users.id and recipient_email = email"
    )
    assert ours.loaded(joined)[0][0] >= 13
    settings = key | {"PRIVACY__FIELDS": '{"users.first_name": "keep"}'}
    _synced(ours, command="load", **settings)
    names = ours.loaded("select first_name from raw.users where id < 20 order by id")
    assert names[0][0] == "zq7plant1xname", "it was read again"
    assert ours.loaded("select is_reread_due from raw.privacy_state") == [(False,)]


def test_a_lost_or_changed_key_is_refused_before_anything_is_mixed(small: Small, key: dict[str, str]) -> None:
    ours = small(planted())
    _synced(ours, command="load", **FREE)
    assert _held(ours) != []
    _synced(ours, command="load", **key)
    assert _held(ours) == [], "what was stored before the policy is rewritten"
    ours.api.calls.clear()
    stored = ours.loaded("from raw.users order by id")
    path = Path(key["PRIVACY__KEY_FILE"])
    own = path.read_text("ascii")
    for text, said in ((secrets.token_hex(32), "another key"), ("", "empty"), (None, "no such file")):
        path.unlink() if text is None else path.write_text(text, encoding="ascii")
        ended = ours.run("load", **key)
        assert ended.returncode == 2
        assert said in ended.stderr
        assert ours.api.calls == []
    path.write_text(own, encoding="ascii")
    path.chmod(0o644)
    assert "chmod 600" in ours.run("load", **key).stderr
    path.chmod(0o600)
    assert ours.loaded("from raw.users order by id") == stored


@pytest.mark.full
def test_a_sync_that_is_killed_leaves_no_value_either(small: Small, key: dict[str, str]) -> None:
    """Also while the load file is rewritten: the next sync completes it."""
    ours = small(planted())
    _synced(ours, command="load", **FREE)
    for at in (10, 30, 60, 90):
        assert ours.killed(at, "load", **key).returncode == -9
    _synced(ours, command="load", **key)
    assert _held(ours) == []


def test_a_field_that_is_not_personal_is_refused_with_the_nearest(small: Small) -> None:
    ours = small(planted())
    ended = ours.sync(PRIVACY__FIELDS='{"users.mail": "drop"}')
    assert ended.returncode == 2
    assert "Did you mean 'users.email'?" in ended.stderr
    assert "one of keep, pseudonymise, drop" in ours.sync(PRIVACY__FIELDS='{"users.email": "hide"}').stderr
