"""The files for dbt, Cube and Superset say what the description says, and fit together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from referral_warehouse.consume.description.cube import cube_files
from referral_warehouse.consume.description.dbt import dbt_files
from referral_warehouse.consume.description.model import Description
from referral_warehouse.consume.description.superset import superset_files
from referral_warehouse.settings import Settings
from tests.consume.conftest import Run, database
from tests.consume.superset_bundle import tables_of_bundle


def read_yaml(text: str) -> Any:
    """``yaml.safe_load``, by the parser that is not written in Python where PyYAML has it."""
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    return yaml.load(text, Loader=loader)  # noqa: S506 - both are safe


def test_dbt_names_every_table_column_and_metric(described: Description) -> None:
    files = dbt_files(described)
    documents = {
        path: read_yaml(text) for path, text in files.items() if path.endswith("yml") and path != "profiles.yml"
    }
    sources = {
        f"{source['name']}.{table['name']}": {column["name"]: column for column in table["columns"]}
        for source in documents["models/sources.yml"]["sources"]
        for table in source["tables"]
    }
    for table in described.tables:
        assert {name: (c["data_type"], c["description"]) for name, c in sources[table.name].items()} == {
            column.name: (column.type, column.comment) for column in table.columns
        }
    semantic = documents["models/semantic_models.yml"]
    assert {metric["name"] for metric in semantic["metrics"]} >= {metric.name for metric in described.metrics}
    measures = [measure["name"] for model in semantic["semantic_models"] for measure in model["measures"]]
    assert len(measures) == len(set(measures))
    used = {m["type_params"]["measure"] for m in semantic["metrics"] if m["type"] == "simple"}
    assert used == set(measures)


# What Cube's documentation of its data model lists for YAML: names, members and their types.
CUBE_NAME = re.compile(r"[a-z_][a-z0-9_]*")
CUBE_KEYS = {"name", "sql_table", "title", "description", "meta", "dimensions", "measures", "joins"}
MEASURE_TYPES = {"count", "sum", "number", "count_distinct", "avg", "min", "max"}
DIMENSION_TYPES = {"string", "number", "time", "boolean"}


def test_cube_has_a_valid_cube_for_each_table(described: Description) -> None:
    cubes = {cube["name"]: cube for text in cube_files(described).values() for cube in read_yaml(text)["cubes"]}
    assert len(cubes) == len(described.tables)
    for cube in cubes.values():
        members = [*cube["dimensions"], *cube["measures"]]
        names = [member["name"] for member in members]
        assert cube.keys() <= CUBE_KEYS
        assert len(names) == len(set(names)), cube["name"]
        assert all(CUBE_NAME.fullmatch(name) for name in [cube["name"], *names])
        assert sum(bool(dimension.get("primary_key")) for dimension in cube["dimensions"]) == 1
        assert {dimension["type"] for dimension in cube["dimensions"]} <= DIMENSION_TYPES
        assert {measure["type"] for measure in cube["measures"]} <= MEASURE_TYPES
        for join in cube.get("joins", []):
            assert join["name"] in cubes
            assert join["relationship"] in ("one_to_one", "many_to_one")
    said = {measure["name"] for cube in cubes.values() for measure in cube["measures"]}
    assert said >= {metric.name for metric in described.metrics}


def test_the_sql_of_cube_runs_on_the_warehouse(described: Description, published: Settings) -> None:
    with duckdb.connect(str(database(published, 3)), read_only=True) as connection:
        for text in cube_files(described).values():
            [cube] = read_yaml(text)["cubes"]
            dimensions = ", ".join(d["sql"].replace("{CUBE}", "cube") for d in cube["dimensions"])
            connection.execute(f"select {dimensions} from {cube['sql_table']} as cube limit 1")
            measures = [
                f"sum({m['sql']})" if m["type"] == "sum" else m.get("sql", "count(*)") for m in cube["measures"]
            ]
            connection.execute(f"select {', '.join(measures)} from {cube['sql_table']}")


def test_the_bundle_of_superset_is_connected_by_its_ids(described: Description) -> None:
    files = {path.partition("/")[2]: read_yaml(text) for path, text in superset_files(described).items()}
    assert tables_of_bundle(files) == {table.name for table in described.tables}


@pytest.mark.parametrize("tool", ["dbt", "cube", "superset"])
def test_the_files_of_a_tool_go_into_a_new_folder_alone(tool: str, referrals: Run, tmp_path: Path) -> None:
    done = referrals("docs", "--format", tool, "--out", str(tmp_path / "new"))
    assert (done.code, done.err) == (0, "")
    assert any((tmp_path / "new").rglob("*.y*ml"))
    again = referrals("docs", "--format", tool, "--out", str(tmp_path / "new"))
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert referrals("docs", "--format", tool).code == 2
    assert referrals("docs", "--format", "json", "--out", str(tmp_path / "x")).code == 2
