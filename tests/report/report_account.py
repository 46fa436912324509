"""An account that has something for every section of the report, published after two simulated days.

Campaigns and people have names that would act if a page took them for anything but text.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from referral_warehouse.load.runner import load
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings, Token
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.hostile_text import HOSTILE

USERS, SEED, DAYS = 120, 11, 2
CAMPAIGN_NAMES = [
    HOSTILE["HTML"], "<!--<script>alert(2)//", "{{ 7*7 }}{% raw %}", "' onmouseover='alert(3)",
    HOSTILE["bidi override"],
]  # fmt: skip
FIRST_NAME = "<svg onload=alert(4)>"


def _correct_a_closed_day(world: Path, api: Sandbox) -> None:
    """Somebody who qualified is not qualified any more: days that were over count one less."""
    with sqlite3.connect(world) as rows:
        [[user_id]] = rows.execute(
            "select id from users where qualified = 1 and referrer_id is not null order by qualified_at limit 1"
        ).fetchall()
    rows.close()
    api.unqualify(user_id)


def publish_account(folder: Path) -> Settings:
    """Load the account after each day, and publish after the last. Returns: the settings of the published directory."""
    world = folder / "world.sqlite3"
    with pytest.MonkeyPatch.context() as patch, Sandbox(path=world, users=USERS, seed=SEED, calls_per_minute=0) as api:
        patch.setenv("XDG_STATE_HOME", str(folder / "machine"))
        settings = Settings(
            api_token=Token(api.token), base_url=api.base_url, calls_per_minute=0, simulated_time=True,
            warehouse_dir=folder / "data", reward_units=(("Amazon Voucher", "JPY"),),
            settles_on=(("type:Coupon", "use"),),
        )  # fmt: skip
        campaigns = [row["id"] for row in api.rows("campaigns")]
        with sqlite3.connect(world) as rows:
            for campaign_id, name in zip(campaigns, CAMPAIGN_NAMES, strict=False):
                rows.execute("update campaigns set name = ? where id = ?", [name, campaign_id])
            rows.execute("update users set first_name = ? where referrals_count > 0", [FIRST_NAME])
            rows.execute("update users set email = 'same@example.com' where id in (select id from users limit 4)")
        rows.close()
        for day in range(DAYS):
            if day:
                _correct_a_closed_day(world, api)
                api.advance(days=1)
            load(settings)
        publish(settings, build(settings))
        return settings
