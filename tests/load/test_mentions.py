"""Forgotten people are left out of the JSON texts of other rows, and nothing else of these texts changes."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from referral_warehouse.load.privacy.forgotten import NOBODY, Forgotten, whole_id
from referral_warehouse.load.privacy.mentions import coerced_without_mentions, without_mentions
from referral_warehouse.load.records.coercion import Coerced, Reject
from referral_warehouse.load.records.schema import OBSERVATIONS, QUARANTINE
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.streams.user_schema import USERS

FORGOTTEN = Forgotten(schemas=TABLES).with_person(7, ["Ann.7@Example.com", "no address"])
ANN = {"id": 7, "first_name": "Ann"}


def _meta(text: str | None, forgotten: Forgotten = FORGOTTEN) -> Any:
    rows = pa.Table.from_pylist([{"id": 1, "meta": text}], schema=pa.schema([("id", "int64"), ("meta", "string")]))
    return without_mentions(forgotten, USERS, rows).column("meta").to_pylist()[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"referrer_email": "ann.7@example.com", "referrer_name": "Ann", "city": "Ulm"}, {"city": "Ulm"}),
        ({"referrerEmail": "ANN.7@example.com ", "referrerName": "Ann", "city": "Ulm"}, {"city": "Ulm"}),
        ({"note": "ask <ann.7@example.com>.", "city": "Ulm"}, {"city": "Ulm"}),
        ({"link": "https://x.example/?to=ann.7%40example.com", "city": "Ulm"}, {"city": "Ulm"}),
        ({"friends": ["bob@example.com", "ann.7@example.com"], "city": "Ulm"}, {"city": "Ulm"}),
        ({"ann.7@example.com": 1, "city": "Ulm"}, {"city": "Ulm"}),
        ({"by": {"name": "Ann", "mail": "ann.7@example.com"}, "city": "Ulm"}, {"city": "Ulm"}),
        ({"all": [{"name": "Ann", "mail": "ann.7@example.com"}, {"name": "Bob"}]}, {"all": [{"name": "Bob"}]}),
        ({"referrer": ANN, "mail": "", "city": "Ulm"}, {"mail": "", "city": "Ulm"}),
        ({"referrer": {**ANN, "id": "7.0"}, "mail": "", "city": "Ulm"}, {"mail": "", "city": "Ulm"}),
        ({"mail": "no address", "city": "Ulm"}, {"city": "Ulm"}),
    ],
)
def test_what_names_a_forgotten_person_is_left_out(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert json.loads(_meta(json.dumps(before))) == after


@pytest.mark.parametrize(
    "text",
    [
        '{"mail": "xann.7@example.com", "n": 1.50, "big": 123456789012345678901234567890}', '"x@y"', "[]", "{}", "null",
        '{"referrer": {"id": 8, "mail": "x@y"}, "campaign": {"id": 7, "mail": ""}}', None,
    ],
)  # fmt: skip
def test_other_texts_stay_as_they_are(text: str | None) -> None:
    assert _meta(text) == text


def test_numbers_beside_a_mention_stay_as_they_were_written() -> None:
    text = '{"a":"ann.7@example.com","n":1.50,"big":123456789012345678901234567890}'
    assert _meta(text) == '{"n":1.50,"big":123456789012345678901234567890}'
    assert _meta(text, NOBODY) == text


@pytest.mark.parametrize("text", ['"ann.7@example.com"', '["ann.7@example.com"', '{"x": "ann.7@example.com"}'])
def test_a_text_of_which_nothing_is_left_is_null(text: str) -> None:
    assert _meta(text) is None


def test_a_text_that_is_nested_too_deeply_is_searched_as_a_whole() -> None:
    deep = "[" * 100_000 + "{}" + "]" * 100_000
    assert _meta(deep.replace("{}", '"ann.7@example.com"')) is None
    assert _meta(deep.replace("{}", '"x@example.com"')) is not None


def test_a_row_that_could_not_be_read_keeps_its_own_fields_and_is_recognised_by_its_whole_text() -> None:
    """Two people may share an address: the row of the other one is not that of the forgotten person."""
    raw = json.dumps({"id": 8, "email": "ann.7@example.com", "referrer": ANN, "phone": "1"})
    coerced = Coerced(USERS.arrow.empty_table(), [Reject("8", "why", raw)], ())
    found = coerced_without_mentions(FORGOTTEN, USERS, coerced).rejects[0]
    assert json.loads(found.raw) == {"id": 8, "email": "ann.7@example.com", "phone": "1"}
    assert found.identity == raw
    row = dict.fromkeys(QUARANTINE.arrow.names) | {"stream": "users", "record_id": "8", "raw": raw}
    stored = pa.Table.from_pylist([row], schema=QUARANTINE.arrow)
    assert without_mentions(FORGOTTEN, QUARANTINE, stored).column("raw").to_pylist() == [found.raw]
    row = dict.fromkeys(OBSERVATIONS.arrow.names) | {"stream": "users", "id": 8, "before": raw}
    seen = without_mentions(FORGOTTEN, OBSERVATIONS, pa.Table.from_pylist([row], schema=OBSERVATIONS.arrow))
    assert (seen.column("before").to_pylist(), seen.column("after").to_pylist()) == ([found.raw], [None])


def test_an_id_is_read_in_every_notation() -> None:
    ids: list[Any] = [7, 7.0, "7", " 7 ", "7.0", "+7", " 7."]
    assert set(map(whole_id, ids)) == {7}
    others: list[Any] = [None, True, "", "x", 7.5, "7.5", [7], {}]
    assert set(map(whole_id, others)) == {None}
