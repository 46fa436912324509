"""A stream that the settings leave out is never requested; all tables are built, and status names what is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.small_api import Row, SmallApi, account
from tests.end_to_end.small_warehouse import PREFIX, SmallWarehouse
from tests.kills.forks import forks_with

STREAMS = f"{PREFIX}STREAMS"


def test_a_stream_that_is_left_out_is_never_requested(
    small: Callable[[dict[str, list[Row]]], SmallWarehouse],
) -> None:
    """Coupons come with users only where they are wanted. Once the setting is gone, the others are loaded."""
    ours = small(account())
    only = {STREAMS: "users, campaigns"}
    assert ours.sync(**only).returncode == 0
    assert {call.partition("/")[0] for call in ours.api.calls} == {"campaigns", "users"}
    assert ours.live() == {
        "campaigns": 12, "users": 30, "rewards": 0, "rewards/due": 0, "rewards/issued": 0, "coupons": 0,
    }  # fmt: skip
    assert b"COUPON-1" not in (ours.data / "load.duckdb").read_bytes()
    manifest = json.loads((ours.data / "manifest.json").read_text("utf-8"))
    assert manifest["streams"] == ["campaigns", "users"]
    assert (
        "Left out by SOURCES__REFERRAL_FACTORY__STREAMS: coupons, rewards_issued" in ours.run("status", **only).stdout
    )
    ended = ours.sync("--json")
    assert json.loads(ended.stdout)["published"] is True, ended.stderr
    assert 0 not in ours.live().values()
    assert json.loads((ours.data / "manifest.json").read_text("utf-8"))["streams"] is None


def test_invalid_values_of_the_setting_of_streams_are_refused_with_the_reason(
    small: Callable[[dict[str, list[Row]]], SmallWarehouse],
) -> None:
    ours = small(account())
    for value, options, said in (
        ("users,copuons", (), "names 'copuons', which is not a stream. Next: Choose from campaigns"),
        ("coupons", (), "names 'coupons' without 'users', whose records contain it. Next: Add 'users'"),
        ("users", ("--streams", "rewards"), "The stream 'rewards' is left out"),
        ("users", ("--streams", "reward"), "There is no stream reward."),
    ):
        ended = ours.sync(*options, **{STREAMS: value})
        assert ended.returncode == 2, ended.stderr
        assert said in ended.stderr.replace("Nothing was changed. ", "")
    assert ours.api.calls == []


@pytest.mark.full
@pytest.mark.parametrize("left_out", ["campaigns", "users", "coupons", "rewards", "rewards_due", "rewards_issued"])
def test_every_mart_is_built_whichever_stream_is_left_out(tmp_path: Path, left_out: str) -> None:
    """Users take their coupons along."""
    names = {"campaigns", "users", "coupons", "rewards", "rewards_due", "rewards_issued"} - {left_out}
    names -= {"coupons"} if left_out == "users" else set()
    with SmallApi(account()) as api:
        ours = SmallWarehouse(forks_with(None), api, tmp_path)
        for _ in range(2):
            ended = ours.sync("--sweep", **{STREAMS: ",".join(names)})
            assert ended.returncode == 0, ended.stderr
        marts = ours.published("select table_name from duckdb_tables() where schema_name = 'marts'")
        assert len(marts) > 15
