"""Extreme values in any place of any stream, from the bytes of a response to a DuckDB file, affect one record only."""

from __future__ import annotations

import functools
import json
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referral_warehouse.api.attempts import ApiResponse
from referral_warehouse.api.json_decoding import Unreadable, parse_object
from referral_warehouse.api.responses import MAX_ROWS, Page, read_page
from referral_warehouse.errors import BadEnvelope
from referral_warehouse.load.registry import DOCUMENTED, TABLES
from tests.load.extreme_values import DIGITS, EXTREMES, NUMBERS, good_row, listed, true_row, written
from tests.load.parsing import new_parser, parsed_page, quarantined
from tests.load.wrong_rows import is_read_right

ASKED = "users?page=3"
GOOD_IDS = [101, 102, 103]


def page_of(body: bytes) -> Page:
    return read_page(ApiResponse(parse_object(body), None, ASKED, 1, 0.1))


def check(table: str, field: str, texts: list[str]) -> None:
    """Rows in order and rows with one extreme value each: the first are all kept, the others exact or in quarantine."""
    good = [written(good_row(table, identifier)) for identifier in GOOD_IDS]
    odd = [written(good_row(table, 1_000 + number) | {field: text}) for number, text in enumerate(texts)]
    parser = new_parser("r1")
    found, rejects = parsed_page(parser, DOCUMENTED[table], page_of(listed(*good, *odd)), table)
    kept = found.to_pylist()
    assert set(GOOD_IDS) <= {row["id"] for row in kept}
    # a field that is not documented is kept apart and changes no column
    plain = [written(good_row(table, 1_000 + number)) for number in range(len(odd))]
    known = {documented.name for documented in DOCUMENTED[table].fields}
    candidates = [truth for row in (odd if field in known else plain) if (truth := true_row(row)) is not None]
    for row in kept:
        if row["id"] not in GOOD_IDS:
            assert any(is_read_right(table, row, candidate) for candidate in candidates), (field, row)
    assert len(kept) + len(rejects) == len(good) + len(odd), "a row is nowhere"
    for reject in rejects:
        assert 0 < len(reject.reason) < 200
        assert DIGITS[:100] not in reject.reason
        assert len(reject.record_id) <= 110
    for text in NUMBERS:
        if text in texts and len(text) > 1_000 and field != "_":
            assert any(text in reject.raw for reject in rejects) or any(text in str(row.values()) for row in kept)
    reach_duckdb(table, found, quarantined(parser))


@functools.cache
def database() -> duckdb.DuckDBPyConnection:
    """One database in memory for all values: opening one takes longer than using it."""
    return duckdb.connect()


def reach_duckdb(table: str, found: Any, quarantine: Any) -> None:
    with database().cursor() as connection:
        for name, rows in ((table, found), ("quarantine", quarantine)):
            connection.register("arrived", rows)
            casts = ", ".join(f'"{column}"::json as "{column}"' for column in TABLES[name].json_columns)
            connection.execute(f"create or replace table loaded as select * replace ({casts}) from arrived")
            [(count,)] = connection.execute("select count(*) from loaded").fetchall()
            assert count == rows.num_rows
            connection.unregister("arrived")
        refused = connection.execute("select raw->>'id', json_valid(raw) from loaded").fetchall()
        assert all(is_valid for _, is_valid in refused)


@pytest.mark.parametrize("table", DOCUMENTED)
def test_an_extreme_value_in_any_field_is_exact_or_its_row_is_quarantined(table: str) -> None:
    for field in [*(field.name for field in DOCUMENTED[table].fields), "brand_new"]:
        check(table, field, EXTREMES)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.data())
def test_a_few_extreme_values_on_a_page_change_no_other_row(data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(list(DOCUMENTED)))
    field = data.draw(st.sampled_from([*(field.name for field in DOCUMENTED[table].fields), "brand_new", ""]))
    check(table, field, data.draw(st.lists(st.sampled_from(EXTREMES), min_size=1, max_size=3, unique=True)))


@pytest.mark.parametrize("table", DOCUMENTED)
def test_an_extreme_value_instead_of_a_row_is_quarantined(table: str) -> None:
    good = written(good_row(table, 101))
    texts = [text for text in EXTREMES if not text.startswith("{")]
    parser = new_parser("r1")
    found, rejects = parsed_page(parser, DOCUMENTED[table], page_of(listed(good, *texts, good)), table)
    assert found.column("id").to_pylist() == [101, 101]
    assert len(rejects) == len(texts)
    assert {reject.reason for reject in rejects} == {"not an object"}
    reach_duckdb(table, found, quarantined(parser))


def test_a_number_is_kept_in_quarantine_as_it_was_written() -> None:
    for text in ("1e999999999", DIGITS, f"0.{DIGITS}", "-1e-999999999"):
        parser = new_parser("r1")
        row = written(good_row("users", 7) | {"reach": text})
        found, [reject] = parsed_page(parser, DOCUMENTED["users"], page_of(listed(row)), "users")
        assert found.num_rows == 0
        assert f'"reach":{text}' in reject.raw
        assert (reject.known_id, reject.reason.startswith("reach: ")) == (7, True)


def test_what_is_nested_deeply_is_kept_whole_in_quarantine() -> None:
    for depth in (300, 700, 990, 5_000, 50_000):
        text = '{"deep":' * depth + '"inside"' + "}" * depth
        parser = new_parser("r1")
        row = written(good_row("users", 7) | {"meta": text})
        _, [reject] = parsed_page(parser, DOCUMENTED["users"], page_of(listed(row)), "users")
        kept = reject.raw if depth < 1_000 else reject.raw.replace('\\"', '"')
        assert kept.count('"deep":') == depth
        assert "inside" in kept


COUNTS = ["total", "last_page", "per_page", "current_page", "from"]


@pytest.mark.parametrize("text", EXTREMES, ids=[f"value{n}" for n in range(len(EXTREMES))])
def test_an_extreme_value_in_an_envelope_is_read_or_refused_by_name(text: str) -> None:
    good = written(good_row("users", 7))
    refusals: list[str] = []
    for body in (
        *(f'{{"data":[{good}],"meta":{{"{name}":{text}}}}}' for name in COUNTS),
        f'{{"data":[{good}],"meta":{text}}}',
        f'{{"data":[{good}],"links":{{"next":{text}}}}}',
        f'{{"data":[{good}],"links":{text},"code":200}}',
        f'{{"data":{text},"meta":{{"total":1}}}}',
        f'{{"data":[{good}],"brand_new":{text}}}',
        f'{{"data":{{{text if text.startswith(chr(34)) else json.dumps(text)}:{good}}}}}',
    ):
        try:
            page = page_of(body.encode())
        except BadEnvelope as error:
            refusals.append(error.message)
        except Unreadable as error:
            refusals.append(f"{ASKED}: {error}")
        else:
            assert isinstance(page.rows, list)
            assert (page.total or 0) <= MAX_ROWS
            assert page.is_all in (True, False)
    for refusal in refusals:
        assert ASKED in refusal
        assert DIGITS[:100] not in refusal
        assert len(refusal) < 300


BEYOND = {
    "5,000 digits": DIGITS, "1e999999999": "1e999999999", "5,000 digits as text": f'"{DIGITS}"', "1e300": "1e300",
    "a billion": "1000000000", "infinity": "Infinity",
}  # fmt: skip


@pytest.mark.parametrize("text", BEYOND.values(), ids=BEYOND.keys())
@pytest.mark.parametrize("name", ["total", "last_page"])
def test_a_count_beyond_every_account_is_refused_with_its_page(name: str, text: str) -> None:
    body = f'{{"data":[{written(good_row("users", 7))}],"meta":{{"{name}":{text}}}}}'.encode()
    with pytest.raises(BadEnvelope, match=rf"users\?page=3: 'meta.{name}' is .* more than any account has"):
        page_of(body)


def test_ids_beyond_64_bits_are_no_ids() -> None:
    rows = [written(good_row("users", 7) | {"id": text}) for text in (DIGITS, f'"{DIGITS}"', str(2**64), "1e30", "8")]
    page = page_of(listed(written(good_row("users", 7)), *rows))
    assert page.ids() == [7, 8]
    assert page.is_ascending(6, 8)


ZERO_DATES = ["0000-00-00", "0000-00-00 00:00:00", "-0001-11-30T00:00:00.000000Z", "-0001-11-30 00:00:00",
              "-000001-11-30T00:00:00.000000Z", "-0001-11-29T23:06:32Z", "0000-00-00T00:00:00+00:00"]  # fmt: skip


@pytest.mark.parametrize("zero", ZERO_DATES)
def test_a_zero_date_that_may_be_null_is_no_date_and_a_note(zero: str) -> None:
    for table in DOCUMENTED:
        expect_no_date(table, zero)


def expect_no_date(table: str, zero: str) -> None:
    times = [field.name for field in DOCUMENTED[table].fields if field.kind == "time" and field.must != "date"]
    parser = new_parser("r1")
    for field in times:
        # a column of zero dates, one among good ones, and one that has to be read value by value
        for texts in ([zero, zero], [zero, "2026-01-05T08:00:00.000000Z"], [zero, "2026-01-05T08:00:00+02:00"]):
            rows = [written(good_row(table, n) | {field: json.dumps(text)}) for n, text in enumerate(texts, 1)]
            found, rejects = parsed_page(parser, DOCUMENTED[table], page_of(listed(*rows)), table)
            assert rejects == []
            assert [value is None for value in found.column(field).to_pylist()] == [text == zero for text in texts]
    stream = "coupons" if table == "coupon_batches" else table
    notes = [note for note in parser.report.stream(stream).notes if "zero dates" in note]
    assert notes == [f"4 values of '{table}.{field}' are zero dates, read as no date" for field in times]


def test_a_zero_date_instead_of_the_day_a_user_joined_quarantines_the_user() -> None:
    row = written(good_row("users", 7) | {"date": '"0000-00-00 00:00:00"'})
    found, [reject] = parsed_page(new_parser("r1"), DOCUMENTED["users"], page_of(listed(row)), "users")
    assert found.num_rows == 0
    assert reject.reason == "date: '0000-00-00 00:00:00' is not a possible date"


def test_a_field_that_one_single_row_lacks_is_that_rows_problem() -> None:
    row = {name: text for name, text in good_row("users", 7).items() if name != "email"}
    found, [reject] = parsed_page(new_parser("r1"), DOCUMENTED["users"], page_of(listed(written(row))), "users")
    assert (found.num_rows, reject.reason) == (0, "email is missing")
    both = page_of(listed(written(row), written(row | {"id": "8"})))
    with pytest.raises(BadEnvelope, match="'email' is in no row"):
        parsed_page(new_parser("r1"), DOCUMENTED["users"], both, "users")
