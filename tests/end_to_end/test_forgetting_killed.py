"""Fifty planted people over three syncs with history and the quarantine: twenty are forgotten, thirty kills in between.

make soak ARGS='-k forgetting_killed'             # a quarter of an hour
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.planted_people import files_with, marks_of, planted
from tests.end_to_end.small_api import SmallApi
from tests.end_to_end.small_warehouse import SmallWarehouse
from tests.kills.forks import Forks

PEOPLE, GONE, KILLS = 50, 20, 30
SETTINGS = {
    "WAREHOUSE__MAX_QUARANTINE_PERCENT": "100", "WAREHOUSE__FEEDS_HAVE_PERSONAL": "true",
    "WAREHOUSE__SNAPSHOT_GRACE_MINUTES": "0",
}  # fmt: skip
OTHERS = "select * exclude (_dlt_load_id) from raw.{} where {} > {} order by all"


@pytest.mark.full
def test_twenty_of_fifty_are_nowhere_after_thirty_kills_and_the_rest_is_as_before(forks: Forks, tmp_path: Path) -> None:
    chance = random.Random(7)
    with SmallApi(planted(PEOPLE)) as api:
        ours = SmallWarehouse(forks, api, tmp_path)
        assert ours.sync(**SETTINGS).returncode == 0
        for number in (1, 2):
            for row in [*api.lists["rewards/due"], *api.lists["users"][: PEOPLE - 1]]:
                name = "recipient_first_name" if "recipient_id" in row else "first_name"
                row[name] += f"later{number}"
            ours.killed(chance.randint(40, 200), "sync", "--sweep", **SETTINGS)  # a package may be left behind
            assert ours.sync("--sweep", **SETTINGS).returncode == 0
        others = _others(ours)
        sums = ours.published("from marts.reward_ledger order by all"), ours.published("from marts.referral_funnel")
        left = list(range(1, GONE + 1))
        for _ in range(KILLS):
            ended = ours.killed(chance.randint(5, 260), "forget", "--user-id", str(chance.choice(left)), **SETTINGS)
            assert ended.returncode in (0, -9), ended.stderr
        for number in left:
            ended = ours.run("forget", "--user-id", str(number), "--json", **SETTINGS)
            assert ended.returncode == 0, ended.stderr
            certificate: dict[str, Any] = json.loads((ours.data / "forgotten" / f"{number}.json").read_text("utf-8"))
            assert certificate["totals_before"] == certificate["totals_after"]
        for number in left:
            assert files_with(marks_of(number), ours.data, tmp_path / "machine") == []
        assert _others(ours) == others
        assert sums == (
            ours.published("from marts.reward_ledger order by all"), ours.published("from marts.referral_funnel")
        )  # fmt: skip
        for number in range(GONE + 1, PEOPLE + 1):
            assert files_with(marks_of(number), ours.data) != [], number
        assert ours.sync("--rebuild", **SETTINGS).returncode == 0
        for number in left:
            assert files_with(marks_of(number), ours.data, tmp_path / "machine") == []
    shutil.rmtree(ours.data)


def _others(ours: SmallWarehouse) -> list[Any]:
    return [ours.loaded(OTHERS.format(table, person, GONE)) for table, person in (
        ("users", "id"), ("rewards_due", "recipient_id"), ("rewards_issued", "recipient_id"),
        ("coupons", "referral_id"))]  # fmt: skip
