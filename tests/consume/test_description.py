"""The description is complete, and what is made of it for tools says the same as the SQL files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.consume.description.describe import describe_database
from referral_warehouse.consume.description.headers import metrics, references
from referral_warehouse.consume.description.mermaid import mermaid_text
from referral_warehouse.consume.description.metric_sql import GRAINS, expression, metric_query
from referral_warehouse.consume.description.model import Column, Description
from referral_warehouse.consume.description.schema_json import schema_document, write_schema
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.models import load_models
from referral_warehouse.warehouse.snapshots import access_of
from tests.consume.conftest import Run, database
from tests.documentation import PROJECT

WITHOUT_TABLE = {"batch_id", "record_id", "upto_id", "related_user_ids", "recipient_id"}
"""Columns that end in _id and refer to nothing that is published (recipient_id does so in every table that has it)."""


def test_every_table_has_a_description_a_grain_and_a_key(described: Description) -> None:
    models = {model.qualified_name for model in load_models() if model.is_published}
    assert {table.name for table in described.tables} == models | {"ops.checks"}
    for table in described.tables:
        assert len(table.description) > 20
        assert table.grain.startswith("one row per ")
        assert table.questions
        assert table.key or table.name == "ops.quarantine", table.name
        assert all(len(column.comment) > 3 for column in table.columns), table.name


def test_the_keys_are_unique_in_the_published_data(described: Description, published: Settings) -> None:
    with duckdb.connect(str(database(published, 3)), read_only=True) as connection:
        for table in (table for table in described.tables if table.key):
            key = ", ".join(table.key)
            doubled = connection.execute(f"select {key} from {table.name} group by all having count(*) > 1").fetchall()
            assert doubled == [], table.name


def test_the_keys_are_those_of_the_checks(described: Description) -> None:
    """fail_keys_… compare a mart's rows by the columns that its header names."""
    text = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "sql" / "checks").glob("fail_keys_*.sql"))
    checked = dict(
        re.findall(r"'(marts\.\w+)' as table_name,\s+(?:.* as has_null,\s+)?concat_ws\(' / ', ([^)]*)\)", text)
    )
    people = {"marts.referral_tree", "marts.referrer_performance"}  # fail_keys_people compares them with core.users
    assert checked.keys() | people == {model.qualified_name for model in load_models() if model.layer == "marts"}
    for name, columns in checked.items():
        assert described.table(name).key == tuple(columns.split(", ")), name


def test_every_id_refers_to_a_table_or_is_known_to_refer_to_none(described: Description) -> None:
    for table in described.tables:
        referring = {found.column for found in table.references}
        for column in table.columns:
            if re.search(r"_ids?$", column.name) and (column.name,) != table.key and column.name not in referring:
                assert column.name in WITHOUT_TABLE - {"recipient_id"}, f"{table.name}.{column.name}"
        for found in table.references:
            assert described.table(found.to_table).key == (found.to_column,)


def test_every_mart_says_which_metrics_it_has(described: Description) -> None:
    headers = {model.qualified_name: model.header for model in load_models() if model.layer == "marts"}
    assert [name for name, header in headers.items() if "metrics" not in header] == []
    assert len(described.metrics) > 50
    for metric in described.metrics:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", metric.name), "a name that MetricFlow and Cube accept"
        assert metric.definition
        assert (metric.unit == "value") == bool(metric.unit_column), metric.name


def test_every_rate_with_a_formula_is_a_metric_or_cannot_be_added(described: Description) -> None:
    """A ratio is derived from the comment of its column, so that it cannot differ from it."""
    ratios = {(metric.table, metric.column): metric for metric in described.metrics if metric.kind == "ratio"}
    for (table, column), metric in ratios.items():
        comment = described.table(table).column(column).comment
        assert comment.startswith(f"{metric.numerator} / {metric.denominator}")
    assert ("marts.campaign_performance", "conversion_rate") in ratios


def test_metrics_equal_sql_by_hand(described: Description, published: Settings) -> None:
    with duckdb.connect(str(database(published, 3)), read_only=True) as connection:

        def asked(*question: Any, **more: Any) -> list[tuple[Any, ...]]:
            sql, values = metric_query(described, *question, **more)
            return connection.execute(sql, values).fetchall()

        def by_hand(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql).fetchall()

        assert asked("users_count") == [(23,)]
        assert asked("conversion_rate") == by_hand(
            "select count(*) filter (where is_qualified) / count(*) from core.users where referrer_id is not null"
        )
        assert asked("owed_value", ["unit"]) == by_hand(
            "select unit, sum(due_value) from core.rewards_due group by 1 order by 1"
        )
        assert asked("liability_value", ["unit"]) == asked("owed_value", ["unit"])
        months = asked("liability_value", filters={"unit": "type:Cash"}, grain="month")
        assert [(str(month), str(value)) for month, value in months] == [
            ("2026-01-01", "49.382712"), ("2026-02-01", "37.037034"), ("2026-03-01", "24.691356"),
        ]  # fmt: skip
        years = [row for row in asked("new_users_count", ["campaign_id"], grain="year") if row[2]]
        assert years == by_hand("select campaign_id, date '2025-01-01', count(*) from core.users group by 1 order by 1")


def test_every_metric_runs_alone_by_each_dimension_and_at_each_grain(
    described: Description, published: Settings
) -> None:
    with duckdb.connect(str(database(published, 3)), read_only=True) as connection:
        for metric in described.metrics:
            table = described.table(metric.table)
            unit = [metric.unit_column] if metric.unit_column else []
            for column in table.dimensions:
                connection.execute(
                    *metric_query(described, metric.name, [*dict.fromkeys([*unit, column.name])])
                ).fetchall()
            for grain in GRAINS if table.time_column else ():
                connection.execute(*metric_query(described, metric.name, unit, grain)).fetchall()
            connection.execute(f"select {expression(metric)} from {metric.table}").fetchall()


def test_the_expression_of_a_balance_is_that_of_the_last_day_of_each_group(
    described: Description, published: Settings
) -> None:
    """Superset and Cube group the expression themselves; a whole query must say the same."""
    with duckdb.connect(str(database(published, 3)), read_only=True) as connection:
        for metric in (found for found in described.metrics if found.kind == "last"):
            unit = [metric.unit_column] if metric.unit_column else []
            for grain in GRAINS:
                asked = connection.execute(*metric_query(described, metric.name, unit, grain)).fetchall()
                groups = ", ".join([*unit, f"cast(date_trunc('{grain}', {metric.last_of}) as date)"])
                shown = connection.execute(
                    f"select {groups}, {expression(metric)} as amount from {metric.table} group by all "
                    "having amount is not null order by all"
                ).fetchall()
                assert shown == asked, (metric.name, grain)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"name": "nothing"}, "There is no metric 'nothing'"),
        ({"name": "users_count", "by": ["email"]}, "There is no dimension of users_count 'email'"),
        ({"name": "users_count", "by": ["1; drop table x"]}, "There is no dimension"),
        ({"name": "users_count", "filters": {"users_count": 1}}, "There is no dimension"),
        ({"name": "users_count", "grain": "month"}, "users_count has no days"),
        ({"name": "new_users_count", "grain": "hour'"}, "There is no grain"),
        ({"name": "owed_value"}, "Values of different units must not be added"),
    ],
)
def test_a_wrong_question_is_refused(described: Description, question: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        metric_query(described, **question)


@pytest.mark.parametrize(
    "line", ["nothing", "a_count at last nothing", "a_count as", "a_count; drop", "bad_rate", "a_count at first day_on"]
)
def test_a_wrong_line_of_metrics_is_refused(line: str) -> None:
    columns = [
        Column("a_count", "BIGINT", "rows"),
        Column("bad_rate", "DOUBLE", "a_count / gone_count: no such column"),
    ]
    with pytest.raises(ConfigurationError, match=r"The header of marts\.x is wrong: "):
        list(metrics("marts.x", {"metrics": line, "description": "d"}, columns))
    with pytest.raises(ConfigurationError, match="references names columns"):
        list(references("marts.x", {"references": "gone_id core.users"}, columns))


def test_schema_json_has_all_of_a_snapshot(
    published: Settings, tmp_path: Path, referrals: Run, described: Description
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{database(published, 3)}' as snapshot (read_only)")
        write_schema(tmp_path / "schema.json", connection, "snapshot", access_of(published))
        columns = connection.execute(
            "select schema_name || '.' || table_name, column_name, data_type, comment from duckdb_columns() "
            "where database_name = 'snapshot' and not internal"
        ).fetchall()
        types = describe_database(connection, "snapshot")
    document = json.loads((tmp_path / "schema.json").read_text(encoding="utf-8"))
    assert document == json.loads(json.dumps(schema_document(types)))
    found = [
        (table, name, column["type"], column["comment"])
        for table, entry in document["tables"].items()
        for name, column in entry["columns"].items()
    ]
    assert sorted(found) == sorted(columns)
    assert ("core.rewards_due", "due_value", "DECIMAL(38,6)") in [row[:3] for row in found], (
        "the type that it has there"
    )
    assert document["metrics"].keys() == {metric.name for metric in described.metrics}
    printed = json.loads(referrals("docs", "--format", "json").out)
    assert printed.keys() == document.keys()
    assert printed["tables"].keys() == document["tables"].keys()


def test_the_diagram_connects_every_reference(described: Description) -> None:
    text = mermaid_text(described)
    for table in (table for table in described.tables if table.layer != "ops"):
        for found in (found for found in table.references if not found.to_table.startswith("ops.")):
            line = rf'^    {found.to_table.replace(".", "_")} \S+ {table.name.replace(".", "_")} : "{found.column}"$'
            assert re.search(line, text, re.MULTILINE), (table.name, found)
    assert all(
        re.match(r"erDiagram|    \S+ \{$|        \w+ \w+ (PK, FK|PK|FK)$|    \}$|    \w+ \S+ \w+ : ", line)
        for line in text.splitlines()
    )
