"""The data dictionary says all that is published, nothing else, and is the one in the repository."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from referral_warehouse.cli import cli
from referral_warehouse.consume.description.dictionary import write_dictionary
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.models import load_models, sql_dir
from referral_warehouse.warehouse.publish import publish
from tests.documentation import without_fences
from tests.warehouse.planting import plant

SECTION = re.compile(r"^### (\S+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"^\| `(\w+)` \| (\S+) \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def text() -> str:
    return write_dictionary()


def test_the_file_in_the_repository_is_current(text: str) -> None:
    written = (sql_dir() / "DICTIONARY.md").read_text(encoding="utf-8")
    assert written == text, "a comment or a column changed: run `make docs`"


def test_every_published_column_is_in_it_with_type_and_comment(text: str, tmp_path: Path) -> None:
    settings = plant(tmp_path, syncs=["2026-01-01 08:00:00"])
    path = publish(settings, build(settings)).path
    with duckdb.connect(str(path), read_only=True) as connection:
        published = connection.execute(
            "select schema_name || '.' || table_name, column_name, data_type, comment from duckdb_columns() "
            "where not internal order by 1, column_index"
        ).fetchall()
    said = [(table, *column) for table, body in SECTION.findall(text) for column in COLUMN.findall(body)]
    assert sorted(said) == sorted(published)
    assert [row for row in said if len(row[3]) < 4] == [], "a comment says something"


@pytest.mark.parametrize("model", [m for m in load_models() if m.layer == "marts"], ids=lambda m: m.name)
def test_each_mart_documents_its_questions_and_its_limits(model: object, text: str) -> None:
    body = dict(SECTION.findall(text))[getattr(model, "qualified_name", "")]
    assert re.search(r"^- Grain: one row per ", body, re.MULTILINE)
    assert re.search(r"^- Questions this answers:\n(  - [A-Z][^?\n]+\?\n)+", body, re.MULTILINE)
    assert re.search(r"^- Where it is wrong: .{40,}", body, re.MULTILINE)


def test_the_contents_lead_to_every_table(text: str) -> None:
    links = re.findall(r"\[(\w+)\]\(#(\w+)\)", text)
    assert links.pop() == ("metrics", "metrics")
    assert [anchor for _, anchor in links] == [name.replace(".", "") for name, _ in SECTION.findall(text)]
    assert not re.search(r"\bNone\b|\{|\}", without_fences(text)), "nothing is left unfilled"


def test_the_command_prints_it(text: str) -> None:
    said = CliRunner().invoke(cli, ["docs"])
    assert (said.exit_code, said.output) == (0, text)
