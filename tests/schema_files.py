"""The files that follow from the schemas of the streams: the raw tables as SQL, and the page that lists all fields.

The tables of docs/settings.md, which follow from the table of settings, are written along with them.

``python -m tests.schema_files`` writes them anew; tests/test_schema_files.py fails where one is not current. Tests that
need a load file make its tables from the same schemas.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from referral_warehouse.load.records.run_tables import RUN_TABLES
from referral_warehouse.load.records.schema import TableSchema
from referral_warehouse.load.records.table_sql import LOAD_ID, SQL_TYPES, create_table
from referral_warehouse.load.registry import STREAMS, TABLES
from referral_warehouse.load.storage.stored_rows import DATASET
from referral_warehouse.load.streams.stream import Stream
from tests import settings_page

PROJECT = Path(__file__).parents[1]
RAW_SQL = PROJECT / "sql" / "raw.sql"
PAGE = PROJECT / "docs" / "fields.md"

RAW_HEAD = """\
-- The raw tables that models may read, as the loader writes them. Made from the schemas of the streams by
-- `python -m tests.schema_files`: change the schemas, not this file.
-- The build creates these tables empty and lets the load file's own tables take their place, so that a model
-- finds its input also where a stream was never loaded or an older load file lacks a column.
-- Times are UTC without a zone; dlt's two validity columns carry one. Money is decimal(38, 6).
"""
RAW_TAIL = """
-- Not the loader's: the build fills them from the settings (warehouse.reward_units, settles_on, expires_after_days)
-- and the list of currencies.
create table raw.reward_units (
    settings_no bigint, setting varchar, reward_id bigint, campaign_id bigint, reward_type varchar, unit varchar
);
create table raw.units (
    unit varchar, kind varchar, name varchar, is_money boolean, digits bigint
);
create table raw.unit_terms (
    terms_no bigint, unit varchar, settles_on varchar, expires_after_days bigint
);
"""
PAGE_HEAD = """\
# Fields

The fields that are read of each stream; [streams](streams.md) says how they are read. Made from the schemas of the
streams by `python -m tests.schema_files`.

- The names are those of the API, and of the tables in `raw` of the load file. The [data
  dictionary](../sql/DICTIONARY.md) has the names of the published columns.
- Money is decimal(38, 6), in the unit of its reward type. Times are UTC.
- A row is refused, and kept in the [quarantine](streams.md#quarantine), where a required field is missing or a value
  does not fit its type. A page in which no row has a required field ends the sync.
- A field is marked as personal data where it names a person, or may: free text of people, and links and codes that
  are made from a name. Ids of users are pseudonyms and are not marked. [Personal data](privacy.md) says what happens
  to it.
- A field that is not listed is kept in the column `_extra`. Every row also has the time at which it was read,
  `_fetched_at`, and a row of a history has from and until when it was valid, `_dlt_valid_from` and `_dlt_valid_to`.
"""
REQUIRED = {
    "value": "yes",
    "key": "yes, may be empty",
    "date": "yes, may be empty, but `0000-00-00` is refused",
    "": "–",
}


def raw_sql() -> str:
    """The text of sql/raw.sql."""
    statements = [create_table(schema, DATASET) for schema in (*TABLES.values(), *RUN_TABLES)]
    return RAW_HEAD + "".join(f"\n{statement};\n" for statement in statements) + RAW_TAIL


def load_file_sql() -> str:
    """Statements that create the tables of a load file, every column of the loader's included."""
    loaded = [create_table(schema, DATASET, further=(LOAD_ID,)) for schema in TABLES.values()]
    own = [create_table(schema, DATASET) for schema in RUN_TABLES]
    return ";\n".join([f"create schema {DATASET}", *loaded, *own]) + ";\n"


def fields_page() -> str:
    """The text of docs/fields.md."""
    return "\n".join([PAGE_HEAD, *(line for stream in STREAMS.values() for line in _section(stream))]).rstrip() + "\n"


def _section(stream: Stream) -> Iterator[str]:
    yield f"## `{stream.name}`\n"
    yield f"`/{stream.path}`, kept as {stream.schema.strategy.value}. Vendor's documentation: {stream.section}.\n"
    yield from _table(stream.schema)
    for side in stream.side_tables:
        yield f"\nBeside it in `{DATASET}.{side.name}`, kept as {side.strategy.value}:\n"
        yield from _table(side)
    yield ""


def _table(schema: TableSchema) -> Iterator[str]:
    yield "| field | type | required | personal data |"
    yield "|---|---|---|---|"
    for field in schema.fields:
        meaning = f"{field.kind}, " if field.kind in ("money", "time") else ""
        personal = schema.personal.get(field.name, "–")
        yield f"| `{field.name}` | {meaning}`{SQL_TYPES[field.kind]}` | {REQUIRED[field.must]} | {personal} |"


FILES = {RAW_SQL: raw_sql, PAGE: fields_page, settings_page.PAGE: settings_page.settings_page}

if __name__ == "__main__":
    for path, text in FILES.items():
        path.write_text(text(), encoding="utf-8")
