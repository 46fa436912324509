"""The files of sql/: layers, order, headers and comments; and the reader that finds what a file reads."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.models import (
    LAYERS,
    Model,
    load_checks,
    load_models,
    models_version,
    parse_model,
    raw_tables,
    sql_dir,
)
from tests.warehouse.planting import plant

MODELS = load_models()
CHECKS = load_checks()


def write_sql(folder: Path, files: dict[str, str]) -> Path:
    (folder / "raw.sql").parent.mkdir(parents=True, exist_ok=True)
    (folder / "raw.sql").write_text("create table raw.users (id bigint);\n", encoding="utf-8")
    for name, sql in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql, encoding="utf-8")
    return folder


@pytest.mark.parametrize("model", [*MODELS, *CHECKS], ids=lambda m: m.qualified_name)
def test_reader_agrees_with_a_full_parse(model: Model) -> None:
    tree = sqlglot.parse_one(model.sql, dialect="duckdb")
    assert isinstance(tree, exp.Select), "a model is one SELECT"
    assert model.reads == {f"{t.db}.{t.name}" for t in tree.find_all(exp.Table) if t.db}


@pytest.mark.parametrize("model", [*MODELS, *CHECKS], ids=lambda m: m.qualified_name)
def test_header_is_complete_and_true(model: Model) -> None:
    keys = {"rule", "reads"} if model.layer == "checks" else {"grain", "reads", "money", "time"}
    if model.layer in ("core", "marts"):
        keys |= {"answers"}
    assert keys <= set(model.header)
    assert model.header["description"], "a paragraph says what it is"
    assert {name.strip() for name in model.header["reads"].split(",")} - {"none"} == set(model.reads)
    assert (model.header["reads"] == "none") == (not model.reads), "a list kept in the file itself says so"
    assert model.header.get("answers", "?").endswith("?")


@pytest.mark.parametrize("model", [*MODELS, *CHECKS], ids=lambda m: m.qualified_name)
def test_shape_imports_first_and_final_last(model: Model) -> None:
    body = re.sub(r" *--.*", "", model.sql)
    assert re.search(r"^\),\n\nfinal as \(|^with final as \(", body, flags=re.MULTILINE)
    assert re.search(r"^select \* from final(\norder by [^\n]+)?\n?\Z", body, flags=re.MULTILINE)
    assert ";" not in body


def test_order_builds_what_is_read_first() -> None:
    place = {model.qualified_name: index for index, model in enumerate(MODELS)}
    for model in MODELS:
        assert all(place[name] < place[model.qualified_name] for name in model.reads if not name.startswith("raw."))


def test_names_follow_their_folder() -> None:
    prefixes = {"staging": "stg_", "intermediate": "int_"}
    assert all(model.name.startswith(prefixes.get(model.layer, "")) for model in MODELS)
    assert {m.layer for m in MODELS} == set(LAYERS) - {"raw", "checks"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"staging/stg_a.sql": "select * from core.b", "core/b.sql": "select 1 as a"}, "is a later layer"),
        ({"marts/a.sql": "select * from marts.b", "marts/b.sql": "select 1 as a"}, "no mart may read a mart"),
        ({"core/a.sql": "select * from core.b", "core/b.sql": "select * from core.a"}, "in a cycle: core"),
        ({"core/a.sql": "select * from core.missing"}, "reads core.missing, which no file defines"),
        ({"core/a.sql": "select * from raw.unheard_of"}, "reads raw.unheard_of, which no file defines"),
        ({"core/a.sql": "select 'unclosed"}, "cannot be read"),
    ],
)
def test_wrong_files_are_named(files: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_models(write_sql(tmp_path, files))
    assert words in caught.value.message
    assert caught.value.exit_code == 2


def test_wrong_checks_are_named(tmp_path: Path) -> None:
    folder = write_sql(tmp_path, {"checks/oops_a.sql": "select 1 as a"})
    with pytest.raises(ConfigurationError, match="neither a fail_ nor a warn_ check"):
        load_checks(folder)


def test_reader_finds_every_kind_of_from(tmp_path: Path) -> None:
    path = tmp_path / "a.sql"
    path.write_text(
        "with x as (select * from staging.a asof join raw.b on true), final as (\n"
        "    select\n        x.one, -- first\n        (select max(y) from core.c) as two -- second, with a comma\n"
        "    from x, intermediate.d\n)\nselect * from final where exists (from ops.e)",
        encoding="utf-8",
    )
    model = parse_model(path, "ops")
    assert model.reads == {"staging.a", "raw.b", "core.c", "intermediate.d", "ops.e"}
    assert dict(model.columns) == {"one": "first", "two": "second, with a comma"}


def test_every_published_column_has_its_comment(tmp_path: Path) -> None:
    settings = plant(tmp_path)
    report = build(settings)
    with duckdb.connect(str(report.draft_path), read_only=True) as connection:
        columns = connection.execute(
            "select schema_name || '.' || table_name, column_name, comment from duckdb_columns() where not internal"
        ).fetchall()
        tables = dict(
            connection.execute("select schema_name || '.' || table_name, comment from duckdb_tables()").fetchall()
        )
    assert {name for name, _, comment in columns if not comment} == set()
    by_table: dict[str, dict[str, str]] = {}
    for name, column, comment in columns:
        by_table.setdefault(name, {})[column] = comment
    published = {model.qualified_name: model for model in MODELS if model.is_published}
    assert set(tables) == set(published)
    for name, model in published.items():
        assert by_table[name] == dict(model.columns), "each comment stands at its own column"
        assert tables[name] == model.comment
        assert "Grain: one row per" in tables[name]


def test_published_names_follow_the_contract(tmp_path: Path) -> None:
    report = build(plant(tmp_path))
    with duckdb.connect(str(report.draft_path), read_only=True) as connection:
        columns = connection.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns() where not internal"
        ).fetchall()
    for schema, table, column, kind in columns:
        where = f"{schema}.{table}.{column} {kind}"
        if kind.startswith("TIMESTAMP"):
            assert column.endswith("_at"), where
            assert kind == "TIMESTAMP", where
        if kind == "DATE":
            assert column.endswith("_on"), where
        if kind == "BOOLEAN":
            assert column.startswith(("is_", "has_", "had_")), where
        if column.endswith("_value"):
            assert kind == "DECIMAL(38,2)", where
        if column.endswith("_count"):
            assert kind in ("BIGINT", "DECIMAL(38,0)"), where
        assert kind != "HUGEINT", where


def test_the_contract_columns_stand_first(tmp_path: Path) -> None:
    contract = {
        "users": "user_id, campaign_id, referrer_id, first_name, email, code, source, joined_at, is_qualified, "
        "qualified_at, is_unsubscribed, unsubscribed_at, reach, referrals_count, converted_referrals_count, url, meta, "
        "sharing",
        "campaigns": "campaign_id, name, url, code, reach, is_live, status, starts_at, ends_at",
        "rewards": "reward_id, campaign_id, name, reward_for, reward_type, reward_value, when_referral",
        "rewards_due": "due_id, reward_id, recipient_id, due_count, due_value, status, first_seen_at, last_seen_at",
        "rewards_issued": "issued_id, reward_id, recipient_id, issued_count, issued_value, status, issued_at, "
        "first_seen_at",
        "coupons": "coupon_id, name, user_id, batch_id, batch_name, campaign_id, issued_at, used_at",
    }
    report = build(plant(tmp_path))
    with duckdb.connect(str(report.draft_path), read_only=True) as connection:
        for table, names in contract.items():
            found = [row[0] for row in connection.execute(f"describe core.{table}").fetchall()]
            wanted = names.split(", ")
            assert found[: len(wanted)] == wanted
            if table != "rewards_due":
                assert "deleted_at" in found or table == "coupons"


def test_every_raw_table_is_found_and_read_by_staging() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema raw;" + (sql_dir() / "raw.sql").read_text(encoding="utf-8"))
        tables = connection.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
    assert {f"raw.{table}" for (table,) in tables} == set(raw_tables(sql_dir()))
    assert set().union(*(m.reads for m in MODELS if m.layer == "staging")) == set(raw_tables(sql_dir()))


def test_models_version_follows_the_text(tmp_path: Path) -> None:
    folder = write_sql(tmp_path, {"core/a.sql": "select 1 as a"})
    before = models_version(folder)
    assert before == models_version(folder)
    (folder / "core" / "a.sql").write_text("select 2 as a", encoding="utf-8")
    assert models_version(folder) != before
