"""How DuckDB carries out models and checks: no join compares all rows of two tables, and amounts are decimals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.connection import connect_draft
from referral_warehouse.warehouse.models import Model, load_checks, load_models
from tests.warehouse.planted_damage import FIRST, SECOND, SOUND
from tests.warehouse.planting import plant


@pytest.fixture(scope="module")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    settings = plant(tmp_path_factory.mktemp("plans"), SOUND, syncs=[FIRST, SECOND, "2026-01-03 08:00:00"])
    build(settings)
    with connect_draft(settings) as connection:
        yield connection


@pytest.mark.parametrize("model", [*load_models(), *load_checks()], ids=lambda model: model.qualified_name)
def test_joins_on_equal_values_do_not_compare_all_pairs_of_rows(model: Model, draft: duckdb.DuckDBPyConnection) -> None:
    """A further condition of an outer join can make DuckDB do so; a cross join with one row is no such join."""
    plan = json.loads(draft.execute(f"explain (format json) {model.sql}").fetchall()[0][1])
    slow = [node for node in nodes(plan) if node["name"] == "BLOCKWISE_NL_JOIN"]
    assert not [node for node in slow if " = " in node["extra_info"]["Condition"]]


def nodes(children: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in children:
        yield node
        yield from nodes(node["children"])


@pytest.mark.parametrize("model", [m for m in load_models() if m.is_published], ids=lambda model: model.qualified_name)
def test_published_amounts_are_decimals(model: Model, draft: duckdb.DuckDBPyConnection) -> None:
    """Those of a floating-point number would be rounded twice before they are published."""
    columns = draft.execute(f"describe {model.sql}").fetchall()
    assert [name for name, kind, *_ in columns if name.endswith("_value") and not kind.startswith("DECIMAL(38,")] == []
