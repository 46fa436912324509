"""Leaves forgotten people out of the JSON texts of other rows: a referrer inside a row, an address in a free field.

People are recognised by their address, and where the API nests a person, by the id. Knows rows and JSON, and no file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from operator import is_
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.load.privacy.forgotten import Forgotten, whole_id
from referral_warehouse.load.records.coercion import NO_TEXT, Coerced, Reject
from referral_warehouse.load.records.schema import OBSERVATIONS, QUARANTINE, TableSchema

MAY_MENTION = r"@|%40|\\u0040|mail"
"""In every text that names an address; others are not parsed."""
ADDRESS = re.compile(r"""[^\s"'<>()\[\]{},;:?&=/|]+@[^\s"'<>()\[\]{},;:?&=/|]+""")
NESTED_PEOPLE = frozenset({"referrer", "recipient", "referral", "user"})
"""Fields that hold another person as an object with an id."""
FIRST_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")
LONGEST_INT = 18
NOTHING = object()


def without_mentions(forgotten: Forgotten, schema: TableSchema, rows: pa.Table) -> pa.Table:
    """Rows of a raw table without forgotten people in their JSON texts, with the columns that they have."""
    if not forgotten.digests:
        return rows
    if schema.name in (QUARANTINE.name, OBSERVATIONS.name):
        streams = rows.column("stream").to_pylist()
        for name in sorted(schema.json_columns & set(rows.column_names)):
            texts = rows.column(name).to_pylist()
            cleaned = [_record(forgotten, stream, text) for stream, text in zip(streams, texts, strict=True)]
            rows = _with_texts(rows, name, texts, cleaned)
        return rows
    for name in sorted(schema.json_columns & schema.personal_columns.keys() & set(rows.column_names)):
        texts = rows.column(name)
        may_mention = pc.match_substring_regex(texts.cast(pa.string()), MAY_MENTION, ignore_case=True)
        if pc.any(may_mention).as_py():
            found = texts.to_pylist()
            rows = _with_texts(rows, name, found, [_text(forgotten, text) for text in found])
    return rows


def coerced_without_mentions(forgotten: Forgotten, schema: TableSchema, coerced: Coerced) -> Coerced:
    """Parsed rows, and those that could not be read, without forgotten people in the texts of others."""
    if not forgotten.digests:
        return coerced
    rejects = [_reject(forgotten, schema.name, reject) for reject in coerced.rejects]
    return replace(coerced, table=without_mentions(forgotten, schema, coerced.table), rejects=rejects)


def _reject(forgotten: Forgotten, stream: str, reject: Reject) -> Reject:
    """A row that could not be read; it is recognised by its whole text, as before."""
    raw = _record(forgotten, stream, reject.raw)
    return reject if raw == reject.raw else replace(reject, raw=raw or NO_TEXT, identity=reject.identity or reject.raw)


def _with_texts(rows: pa.Table, name: str, texts: list[Any], cleaned: list[Any]) -> pa.Table:
    if cleaned == texts:
        return rows
    index = rows.column_names.index(name)
    field = rows.schema.field(index)
    return rows.set_column(index, field, pa.array(cleaned, field.type))


def _record(forgotten: Forgotten, stream: str, text: str | None) -> str | None:
    """The text of a whole row: its own documented fields stay, whoever has the same address."""
    schema = forgotten.schemas.get(stream)
    own = frozenset() if schema is None else frozenset(f.name for f in schema.fields) - schema.json_columns
    return text if text is None else _text(forgotten, text, own) or NO_TEXT


def _text(forgotten: Forgotten, text: str | None, own: frozenset[str] = frozenset()) -> str | None:
    """JSON text without forgotten people; the same text where there are none, null where nothing is left."""
    if text is None or not (own or re.search(MAY_MENTION, text, re.IGNORECASE)):
        return text
    try:
        value = json.loads(text, parse_float=orjson.Fragment, parse_int=_integer)
        cleaned = _cleaned(forgotten, value, own)
        if cleaned is NOTHING:
            return None
        return text if cleaned is value else orjson.dumps(cleaned).decode()
    except (ValueError, TypeError, RecursionError):
        return None if _mentions(forgotten, text) else text


def _cleaned(forgotten: Forgotten, value: Any, own: frozenset[str] = frozenset(), *, is_nested: bool = False) -> Any:
    """A JSON value without forgotten people: the value itself where there are none, ``NOTHING`` where it is about one.

    An object inside another is about one person, and is removed whole. From the outermost object, those fields are
    removed whose names begin with the same word as one that names the person.
    """
    if isinstance(value, list):
        found = [_cleaned(forgotten, one, is_nested=True) for one in value]
        return value if all(map(is_, found, value)) else [one for one in found if one is not NOTHING]
    if not isinstance(value, dict):
        return NOTHING if isinstance(value, str) and _mentions(forgotten, value) else value
    named = {key for key, one in value.items() if key not in own and _is_named(forgotten, key, one)}
    if named and is_nested:
        return NOTHING
    words = {_first_word(key) for key in named}
    fields: dict[str, Any] = {}
    for key, one in value.items():
        if key in own or not (key in named or _first_word(key) in words or _is_person(forgotten, key, one)):
            fields[key] = one if key in own else _cleaned(forgotten, one, is_nested=True)
    if len(fields) == len(value) and all(map(is_, fields.values(), value.values())):
        return value
    left = {key: one for key, one in fields.items() if one is not NOTHING}
    return left or NOTHING


def _is_named(forgotten: Forgotten, key: str, value: Any) -> bool:
    texts = [key, *(value if isinstance(value, list) else [value])]
    return any(isinstance(text, str) and _mentions(forgotten, text) for text in texts)


def _is_person(forgotten: Forgotten, key: str, value: Any) -> bool:
    is_one = key in NESTED_PEOPLE and isinstance(value, Mapping)
    return is_one and forgotten.is_person(whole_id(_number(value.get("id"))))


def _mentions(forgotten: Forgotten, text: str) -> bool:
    """Whether a text is the address of a forgotten person, or has it."""
    if forgotten.is_address(text):
        return True
    plain = re.sub("%40", "@", text, flags=re.IGNORECASE)
    return any(forgotten.is_address(found.strip(".")) for found in ADDRESS.findall(plain))


def _first_word(key: str) -> str:
    found = FIRST_WORD.search(key)
    return found.group().lower() if found else key


def _integer(text: str) -> Any:
    return int(text) if len(text) <= LONGEST_INT else orjson.Fragment(text)


def _number(value: Any) -> Any:
    return value.contents if isinstance(value, orjson.Fragment) else value
