"""What is written from the schemas of the streams is current, and the statements are those of the loader."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from referral_warehouse.load.records.schema import LoadStrategy, TableSchema, fields
from referral_warehouse.load.records.table_sql import LINE_CHARS, SQL_TYPES, column_types, create_table
from referral_warehouse.load.registry import TABLES
from referral_warehouse.personal_kinds import KINDS
from tests.schema_files import FILES, PROJECT, RAW_SQL, fields_page

PLANTED = TableSchema(
    "referral_links",
    fields("id:int:value", "owner:text", "paid:money", "clicked_at:time:key"),
    LoadStrategy.LIST_HISTORY,
    personal={"owner": "name"},
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_that_follows_from_the_schemas_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == FILES[path](), f"run `make docs`: {path.relative_to(PROJECT)} is stale"


@pytest.mark.parametrize("schema", TABLES.values(), ids=lambda schema: schema.name)
def test_marked_fields_are_fields_of_their_table(schema: TableSchema) -> None:
    assert {*schema.personal, *schema.impersonal, *schema.untracked} <= {field.name for field in schema.fields}


@pytest.mark.parametrize("schema", TABLES.values(), ids=lambda schema: schema.name)
def test_each_field_of_text_is_personal_of_a_known_kind_or_said_to_be_about_no_person(schema: TableSchema) -> None:
    texts = {field.name for field in schema.fields if field.kind in ("text", "json")}
    assert set(schema.personal) | schema.impersonal >= texts, "a new field of text: what does it say of a person?"
    assert not set(schema.personal) & schema.impersonal
    assert set(schema.personal.values()) <= set(KINDS)
    assert ("_extra" in schema.personal_columns) == ("_extra" in schema.arrow.names)


def test_the_page_lists_every_field_of_a_stream_with_its_type_and_whether_it_is_personal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Planted:
        name, path, section, schema, side_tables = "referral_links", "referral-links", "Links", PLANTED, ()

    monkeypatch.setattr("tests.schema_files.STREAMS", {"referral_links": Planted()})
    section = fields_page().partition("## `referral_links`")[2]
    assert section.splitlines()[4:] == [
        "| field | type | required | personal data |",
        "|---|---|---|---|",
        "| `id` | `bigint` | yes | – |",
        "| `owner` | `varchar` | – | name |",
        "| `paid` | money, `decimal(38, 6)` | – | – |",
        "| `clicked_at` | time, `timestamp` | yes, may be empty | – |",
    ]
    assert "`/referral-links`, kept as history of a complete list." in section


def test_a_table_is_created_with_the_columns_of_its_schema() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        connection.execute(create_table(PLANTED, "raw"))
        found = connection.execute("select column_name, column_type from (describe raw.referral_links)").fetchall()
    assert [name for name, _ in found] == [*PLANTED.stored.names, "_dlt_valid_from", "_dlt_valid_to"]
    assert dict(found) == {
        "id": "BIGINT", "owner": "VARCHAR", "paid": "DECIMAL(38,6)", "clicked_at": "TIMESTAMP", "_extra": "JSON",
        "_fetched_at": "TIMESTAMP", "_row_version": "VARCHAR", "_dlt_valid_from": "TIMESTAMP WITH TIME ZONE",
        "_dlt_valid_to": "TIMESTAMP WITH TIME ZONE",
    }  # fmt: skip


def test_a_strict_table_is_left_as_it_is_and_refuses_nulls_where_a_value_is_required() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        connection.execute(create_table(PLANTED, "raw", is_strict=True))
        connection.execute("insert into raw.referral_links (id) values (1)")
        with pytest.raises(duckdb.ConstraintException, match=r"referral_links\.id"):
            connection.execute("insert into raw.referral_links (owner) values ('Ada')")
        connection.execute(create_table(PLANTED, "raw", is_strict=True))
        assert connection.execute("select id, owner from raw.referral_links").fetchall() == [(1, None)]


def test_the_types_in_sql_are_those_in_arrow() -> None:
    for schema in TABLES.values():
        with duckdb.connect() as connection:
            connection.execute(create_table(schema, "main"))
            written = connection.sql(f"from {schema.name}").to_arrow_table().schema
        assert [str(written.field(name).type) for name in schema.stored.names] == [
            str(column.type) for column in schema.stored
        ]


def test_statements_are_wrapped_for_readers() -> None:
    assert set(column_types(PLANTED).values()) <= {*SQL_TYPES.values(), "timestamptz"}
    assert max(map(len, RAW_SQL.read_text(encoding="utf-8").splitlines())) <= LINE_CHARS
