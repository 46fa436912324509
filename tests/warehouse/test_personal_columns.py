"""Personal columns are known and can be left out: of feeds, or of all that is published, and nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.load.registry import TABLES
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.models import load_models, personal_columns
from referral_warehouse.warehouse.publish import publish
from tests.warehouse.planting import plant

SEEN = ["2026-01-01 08:00:00", None]
GONE = "2026-01-01 09:00:00"
MARK = "planted-"


def _planted(table: str, number: int) -> dict[str, Any]:
    """A marked value for each column of a raw table that is declared personal."""
    schema = TABLES[table]
    kinds = {field.name: field.kind for field in (*schema.fields, *schema.technical)}
    return {
        name: json.dumps({"x": f"{MARK}{table}.{name}.{number}"}) if kinds[name] == "json" else
        f"{MARK}{table}.{name}.{number}@mailinator.com"
        for name in schema.personal_columns
    }  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    joined = {"qualified": True, "qualified_at": GONE, "date": "2026-01-01 07:00:00", "_fetched_at": GONE}
    money = {"reward_id": 7, "reward_type": "Gift", "reward_value": 5, "total_due": 1, "total_value": 5}
    users: list[dict[str, Any]] = [
        {"id": number, "campaign_id": 5, "referrer_id": number - 1 or None, **joined, **_planted("users", number)}
        for number in range(1, 5)
    ]
    users[3]["email"] = users[2]["email"]  # two users share an address, which a rule finds
    return plant(
        tmp_path_factory.mktemp("personal"),
        {
            "campaigns": [{"id": 5, "name": "Spring", "live": True, "seen": SEEN, **_planted("campaigns", 5)}],
            "users": users,
            "rewards": [
                {"id": 7, "campaign_id": 5, "name": "G", "type": "Gift", "value": 5, "seen": SEEN,
                 **_planted("rewards", 7)}
            ],
            "rewards_due": [{"id": 8, "recipient_id": 2, "seen": SEEN, **money, **_planted("rewards_due", 8)}],
            "rewards_issued": [
                {"id": 9, "recipient_id": 999, "issued_at": GONE, "seen": SEEN, **money,
                 **_planted("rewards_issued", 9)}
            ],
            "coupons": [{"id": 10, "name": "C", "referral_id": 1, "batch_id": 3, **_planted("coupons", 10)}],
            "coupon_batches": [{"id": 3, "name": "B", "campaign_id": 5, **_planted("coupon_batches", 3)}],
            "observations": [
                {"stream": "users", "id": 1, "what": "changed", "observed_at": GONE, **_planted("observations", 1)}
            ],
            "quarantine": [
                {"key": "k", "stream": "users", "record_id": "6", "run_id": "r1", "quarantined_at": GONE,
                 "resolved_at": GONE, **_planted("quarantine", 6)}
            ],
        },
        syncs=["2026-01-01 08:00:00", "2026-01-01 10:00:00"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    found = _publish(replace(settings, feeds_have_personal=True))
    assert {"core.users.parquet", "ops.quarantine.parquet", "warehouse.duckdb"} <= _marked(_files(settings))
    return found


def _publish(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Every published table, by name."""
    publish(settings, build(settings))
    return dict(_tables(settings))


def _tables(settings: Settings) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        for model in load_models():
            if model.is_published:
                columns = connection.execute(f"from {model.qualified_name}")
                names = [column[0] for column in columns.description or []]
                yield model.qualified_name, [dict(zip(names, row, strict=True)) for row in columns.fetchall()]


def _files(settings: Settings) -> list[Path]:
    return [path for path in settings.warehouse_path.resolve().parent.rglob("*") if path.is_file()]


def _without(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The tables as they should be where personal columns have no values."""
    personal = {model.qualified_name: model.personal for model in load_models()}
    return {
        name: [{column: None if column in personal[name] else row[column] for column in row} for row in rows]
        for name, rows in tables.items()
    }


def test_personal_values_are_in_the_columns_that_are_declared_and_nowhere_else(
    whole: dict[str, list[dict[str, Any]]],
) -> None:
    found = {
        (name, column)
        for name, rows in whole.items()
        for row in rows
        for column, value in row.items()
        if MARK in str(value)
    }
    declared = {(model.qualified_name, column) for model in load_models() for column in model.personal}
    assert found == declared


def test_a_recipient_who_is_not_a_user_is_named_by_the_id(whole: dict[str, list[dict[str, Any]]]) -> None:
    assert {row["recipient_id"] for row in whole["core.rewards_issued"]} == {999}


def test_by_default_the_database_has_personal_values_and_the_feeds_have_none(
    settings: Settings, whole: dict[str, list[dict[str, Any]]]
) -> None:
    assert _publish(settings)["core.users"] == whole["core.users"]
    assert json.loads(settings.manifest_path.read_text("utf-8"))["personal_columns"] == "published, not in feeds"
    assert _marked(_files(settings)) == {"warehouse.duckdb"}
    with duckdb.connect() as connection:
        feeds = connection.execute(f"from '{settings.feeds_dir}/core.users.parquet' order by user_id")
        names = [column[0] for column in feeds.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in feeds.fetchall()]
    assert [row.keys() for row in rows] == [row.keys() for row in whole["core.users"]]
    assert [row["user_id"] for row in rows] == [1, 2, 3, 4]
    assert {row["email"] for row in rows} == {None}


def test_what_is_published_without_personal_values_equals_the_rest(
    settings: Settings, whole: dict[str, list[dict[str, Any]]]
) -> None:
    """The rules on fraud read addresses, and find the same."""
    hidden = replace(settings, publish_personal=False, feeds_have_personal=True)
    found = _publish(hidden)
    assert found == _without(whole) | {name: found[name] for name in ("ops.runs",)}
    assert {"same_email", "disposable_domain"} <= {row["rule"] for row in found["marts.fraud_signals"]}
    assert _marked(_files(hidden)) == set()


def _marked(paths: list[Path]) -> set[str]:
    """Names of files that hold a planted value as text."""
    return {path.name for path in paths if MARK.encode() in path.read_bytes()}


@pytest.mark.parametrize("line", ["email", "email (mail)", "email (e-mail) name (name)"])
def test_a_header_with_another_kind_of_personal_data_is_refused(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"core\.users is wrong: personal has"):
        personal_columns("core.users", {"personal": f"first_name (name), {line}"})
