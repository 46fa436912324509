"""``referrals privacy`` names every personal field and every place that holds some, as the settings are."""

from __future__ import annotations

import json
from typing import Any

from referral_warehouse.load.registry import TABLES
from referral_warehouse.settings import Settings
from tests.consume.conftest import Run


def _shown(referrals: Run, **environ: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(referrals("privacy", "--json", **environ).text)
    return found


def test_every_personal_field_is_listed_with_its_kind_and_where_it_is_published(referrals: Run) -> None:
    found = {(row["table"], row["field"]): row for row in _shown(referrals)["fields"]}
    declared = {(s.name, name): kind for s in TABLES.values() for name, kind in s.personal_columns.items()}
    assert {place: row["kind"] for place, row in found.items()} == declared
    assert found["users", "email"]["published_as"] == "core.users.email"
    assert found["quarantine", "raw"]["published_as"] == "ops.quarantine.record"
    assert found["rewards_due", "recipient_email"]["published_as"] == "–"
    assert {row["policy"] for row in found.values()} == {"keep", "as the stream"}
    assert {table for (table, _), row in found.items() if row["policy"] != "keep"} == {"observations"}


def test_every_place_is_listed_with_what_it_holds_under_these_settings(referrals: Run, published: Settings) -> None:
    def held(**environ: str) -> dict[str, str]:
        return {row["place"]: row["holds"] for row in _shown(referrals, **environ)["places"]}

    usual = held()
    assert usual["snapshot 3"] == "personal columns: published, not in feeds"
    assert usual["feeds"] == usual["agents"] == "personal columns without values"
    told = held(WAREHOUSE__FEEDS_HAVE_PERSONAL="true", WAREHOUSE__AGENTS_SEE_PERSONAL="true")
    assert told["feeds"] == told["agents"] == "personal columns with their values"
    none = held(WAREHOUSE__FEEDS_HAVE_PERSONAL="true", WAREHOUSE__PUBLISH_PERSONAL="false")
    assert none["feeds"] == "personal columns without values"
    assert "lake" not in usual
    lake = {"WAREHOUSE__LAKE_CATALOG": "lake.sqlite", "WAREHOUSE__LAKE_DATA": "lake"}
    assert held(WAREHOUSE__STORAGE="ducklake", **lake)["lake"] == "personal columns with their values"
    paths = {row["path"] for row in _shown(referrals)["places"]}

    assert str(published.load_path) in paths


def test_people_see_the_same_as_tables(referrals: Run) -> None:
    text = referrals("privacy").text
    assert "recipient_email" in text
    assert "call store" in text
