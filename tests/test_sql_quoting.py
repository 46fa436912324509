"""Texts and names in SQL: quoted in one place, and read back by DuckDB as they were."""

from __future__ import annotations

import ast
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.sql_quoting import identifier, literal
from tests.imports import read_tree

PACKAGE = Path(__file__).parents[1] / "pipelines" / "referral_warehouse"
TEXTS = ["plain", "", "o'brien", "''", "'; drop table t; --", 'a"b', '"', "a\\'b", "$1 {x} %s", "café ☕\n"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_literal_is_read_as_the_text(text: str) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"select {literal(text)}").fetchall() == [(text,)]


def test_a_path_is_quoted_as_its_text() -> None:
    assert literal(Path("it's") / "load.duckdb") == "'it''s/load.duckdb'"


@pytest.mark.parametrize("name", [text for text in TEXTS if text])
def test_an_identifier_names_the_column(name: str) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(f"select 1 as {identifier(name)}")
        assert [column[0] for column in found.description or []] == [name]


def test_no_other_module_quotes_sql() -> None:
    doubled = {("'", "''"), ('"', '""')}
    found = [
        module.name
        for module in read_tree(PACKAGE).modules.values()
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call)
        and tuple(arg.value for arg in call.args if isinstance(arg, ast.Constant)) in doubled
    ]
    csv = "referral_warehouse.consume.query.formats"  # CSV doubles quotes too
    assert sorted(set(found)) == [csv, "referral_warehouse.sql_quoting"]
