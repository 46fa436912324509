"""How much may be unreadable before nothing is published: the set share of each stream, and more than one record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.errors import ChecksFailed
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.conftest import using_models
from tests.kills.forks import run_referrals
from tests.sampling import sampled
from tests.warehouse.few_models import FEWEST, copy_few_models
from tests.warehouse.planting import plant

AT = "2026-01-02 08:00:00"


@pytest.fixture(scope="module")
def models_of_core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a publication needs, and all of core, which the check of the quarantine counts."""
    return copy_few_models(tmp_path_factory.mktemp("models"), (*FEWEST, "core."))


@pytest.fixture(scope="module", autouse=True)
def builds_of_core(models_of_core: Path) -> Iterator[None]:
    """Builds of this module have no other models."""
    with using_models(models_of_core):
        yield


def users(count: int) -> list[dict[str, Any]]:
    return [{"id": number, "campaign_id": 5} for number in range(1, count + 1)]


def bad(*ids: Any, stream: str = "users", **changed: Any) -> list[dict[str, Any]]:
    return [
        {"key": f"{stream}{number}", "stream": stream, "record_id": str(identifier), "reason": "date: no date",
         "raw": f'{{"row":{number}}}', "run_id": "r1", "quarantined_at": AT} | changed
        for number, identifier in enumerate(ids)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("good", "quarantine", "percent", "shown"),
    sampled([
        (198, bad(900, 901), 1, ""),  # two of two hundred are one percent, and no more
        (197, bad(900, 901), 1, "open_count=2, records_count=199, limit_percent=1"),
        (200, bad(7, 8), 1, ""),  # an older good version is no further record
        (199, bad(7, 8), 1, "open_count=2, records_count=199, limit_percent=1"),
        (5, bad(7), 1, ""),  # one odd record is the account's
        (5, bad("null", "null"), 1, "open_count=2, records_count=7, limit_percent=1"),
        (5, bad("null", "null"), 30, ""),
        (5, bad("null", "", raw="null"), 1, "open_count=2, records_count=7, limit_percent=1"),  # no longer kept
        (0, bad(*range(50)), 99, "open_count=50, records_count=50, limit_percent=99"),
        (0, bad(*range(50)), 100, ""),
        (5, bad(7, 8, resolved_at=AT), 1, ""),
        (5, bad(7, 8, stream="coupon_batches"), 1, "stream=coupons, open_count=2, records_count=2"),
    ], 5),
)  # fmt: skip
def test_the_share_of_a_stream(
    tmp_path: Path, good: int, quarantine: list[dict[str, Any]], percent: int, shown: str
) -> None:
    given = {"users": users(good), "quarantine": quarantine}
    settings = replace(plant(tmp_path, given, syncs=[AT]), max_quarantine_percent=percent)
    if not shown:
        publication = publish(settings, build(settings))
        counted = [w.violations_count for w in publication.warnings if w.check == "warn_quarantine"]
        assert counted == ([len(quarantine)] if "resolved_at" not in quarantine[0] else [])
        return
    with pytest.raises(ChecksFailed) as refused:
        publish(settings, build(settings))
    assert f"fail_quarantine_share: 1 row, e.g. stream={quarantine[0]['stream'][:6]}" in refused.value.message
    assert shown in refused.value.message
    assert "WAREHOUSE__MAX_QUARANTINE_PERCENT" in refused.value.next_step
    assert refused.value.exit_code == 5


def test_the_command_ends_with_5_and_says_what_to_do_in_one_line(tmp_path: Path, few_models_folder: Path) -> None:
    settings = plant(tmp_path, {"users": users(5), "quarantine": bad(7, 8)}, syncs=[AT])
    environ = os.environ | {"WAREHOUSE__DIR": str(settings.warehouse_dir), "HOME": str(tmp_path)}
    said = [
        run_referrals(["publish"], environ | changed, tmp_path, few_models_folder)
        for changed in ({}, {"WAREHOUSE__MAX_QUARANTINE_PERCENT": "50"})
    ]
    assert [done.returncode for done in said] == [5, 0]
    [line] = said[0].stderr.splitlines()
    for words in ("stream=users, open_count=2", "snapshot is untouched", "Next: Run `select", "MAX_QUARANTINE_PERCENT"):
        assert words in line
    assert "warn_quarantine: 2 rows" in said[1].stdout


def test_a_refused_share_leaves_the_last_snapshot_and_the_setting_lets_it_through(tmp_path: Path) -> None:
    settings = plant(tmp_path, {"users": users(50)}, syncs=[AT])
    first = publish(settings, build(settings))
    with duckdb.connect(str(settings.load_path)) as connection:
        connection.execute(
            "insert into raw.quarantine by name select 'k' || n as key, 'users' as stream, n::varchar as record_id, "
            f"'bad' as reason, '{{}}' as raw, timestamp '{AT}' as quarantined_at from range(10) as numbers(n)"
        )
    with pytest.raises(ChecksFailed):
        publish(settings, build(settings))
    assert settings.warehouse_path.resolve() == first.path
    raised = replace(settings, max_quarantine_percent=20)
    assert publish(raised, build(raised)).snapshot == first.snapshot + 1
