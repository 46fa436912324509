"""A publication of all accounts that is interrupted leaves readers the old snapshot or the new one, whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.settings import Settings
from tests.account_server import AccountServer, user
from tests.accounts.conftest import Run, rows
from tests.accounts.interruptions import end_before

COUNTED = "select account, count(*) from {} group by all order by all"
OLD, NEW = [("uk", 4), ("us", 3)], [("uk", 5), ("us", 3)]


@pytest.fixture
def changed(changed_once: Path, together: Settings, uk: AccountServer) -> Settings:
    """One account was synced and published alone; all together do not have its new user yet."""
    shutil.copytree(changed_once, together.warehouse_dir, symlinks=True)
    uk.lists["users"].append(user(50))
    return together


def _interrupted(changed: Settings, referrals: Run, monkeypatch: pytest.MonkeyPatch, step: int) -> bool:
    """Interrupt a publication at a step and look at what readers have; returns whether it was over before."""
    with monkeypatch.context() as patch:
        end_before(patch, step)
        is_over = referrals("publish").code == 0
    found = rows(changed.warehouse_path, COUNTED.format("core.users"))
    assert found in (OLD, NEW)
    assert duckdb.sql(COUNTED.format(f"'{changed.feeds_dir}/core.users.parquet'")).fetchall() in (OLD, NEW)
    assert referrals("publish").code == 0
    assert rows(changed.warehouse_path, COUNTED.format("core.users")) == NEW
    assert duckdb.sql(COUNTED.format(f"'{changed.feeds_dir}/core.users.parquet'")).fetchall() == NEW
    assert not list(changed.warehouse_dir.glob("draft*/*.duckdb"))
    return is_over


@pytest.mark.parametrize(
    "step",
    [pytest.param(11, id="the snapshot is half moved"), pytest.param(21, id="the link is new, the feeds are not")],
)
def test_an_interrupted_publication_is_repeated(
    changed: Settings, referrals: Run, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    assert not _interrupted(changed, referrals, monkeypatch, step)


@pytest.mark.full
def test_a_publication_can_be_interrupted_anywhere(
    changed: Settings, referrals: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, step = tmp_path / "whole", 0
    shutil.copytree(changed.warehouse_dir, whole, symlinks=True)
    while True:
        step += 1
        if _interrupted(changed, referrals, monkeypatch, step):
            break
        shutil.rmtree(changed.warehouse_dir)
        shutil.copytree(whole, changed.warehouse_dir, symlinks=True)
    assert step > 15
