"""The description for several accounts is that of what they publish; files of tools join by the account too."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
import yaml
from click.testing import CliRunner

from referral_warehouse.cli import cli
from referral_warehouse.consume.description.accounts import with_accounts
from referral_warehouse.consume.description.describe import describe
from referral_warehouse.consume.description.export_files import export_files
from referral_warehouse.consume.description.schema_json import schema_document
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.published_snapshot import published_snapshot
from tests.documentation import queries_of
from tests.test_readme import SEVERAL


def test_what_is_published_is_as_described(synced: Settings) -> None:
    snapshot = published_snapshot(synced)
    assert snapshot is not None
    published = json.loads((snapshot.folder / "schema.json").read_text())["tables"]
    described = json.loads(json.dumps(schema_document(with_accounts(describe.__wrapped__()))))["tables"]
    assert published.keys() <= described.keys()
    assert "ops.accounts" in published
    for name, table in published.items():
        for key in ("key", "description", "grain", "questions", "wrong"):
            assert table[key] == described[name][key], (name, key)
        assert list(table["columns"]) == list(described[name]["columns"]), name


def test_joins_of_cube_compare_the_account() -> None:
    files = export_files("cube", with_accounts(describe()))
    joins = [
        join
        for path, text in files.items()
        if path.endswith(".yml")
        for cube in yaml.safe_load(text).get("cubes", [])
        for join in cube.get("joins", [])
    ]
    assert joins
    assert all(".account = {" in join["sql"] for join in joins)
    alone = "".join(export_files("cube").values())
    assert ".account = {" not in alone


def test_entities_of_dbt_have_the_account() -> None:
    models = yaml.safe_load(
        next(text for text in export_files("dbt", with_accounts(describe())).values() if "semantic_models" in text)
    )["semantic_models"]
    foreign = [entity for model in models for entity in model["entities"] if entity["type"] == "foreign"]
    assert foreign
    assert all(entity["expr"].startswith("concat_ws('|', account, ") for entity in foreign)


@pytest.mark.parametrize("form", ["markdown", "json"])
def test_the_dictionary_of_several_accounts_is_printed(form: str) -> None:
    printed = [
        CliRunner().invoke(cli, ["docs", *more, "--format", form], obj={}).output for more in (["--accounts"], [])
    ]
    assert ["ops.accounts" in text for text in printed] == [True, False]


def test_the_queries_of_the_page_run(synced: Settings) -> None:
    found = queries_of(SEVERAL)
    assert found
    with duckdb.connect(str(synced.warehouse_path), read_only=True) as connection:
        for query in found:
            assert connection.execute(query.text).fetchall()


def test_every_account_setting_is_in_the_example(tmp_path: Path) -> None:
    assert "[accounts.uk]" in (Path(__file__).parents[2] / ".dlt" / "example.secrets.toml").read_text()
