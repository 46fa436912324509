"""Envelopes in which anything may be wrong: each row is read exactly, in quarantine, or the response is a typed error.

Never a crash, never a row with another value than was sent. ``make soak`` tries many more of them.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from referral_warehouse.api.attempts import ApiResponse
from referral_warehouse.api.client import Client
from referral_warehouse.api.json_decoding import Unreadable, parse_object
from referral_warehouse.api.pagination.fallback import RequestFallback
from referral_warehouse.api.query import Query
from referral_warehouse.api.responses import Page, read_page
from referral_warehouse.api.retry import RetryPolicy
from referral_warehouse.errors import ApiUnavailable, BadEnvelope, ReferralsError
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.runner import load
from referral_warehouse.load.storage.load_file import LoadFile
from referral_warehouse.settings import Settings, Token
from tests.api.scripted_server import Request, Response, ScriptedServer
from tests.load.parsing import new_parser, parsed_page, quarantined
from tests.load.wrong_rows import envelopes, is_read_right, true_rows

FUZZED = ("users", "rewards_due")


def judge(table: str, envelope: str, page: Page) -> None:
    """What became of a page: every row is in the table exactly as written, or in quarantine."""
    parser = new_parser("r1")
    try:
        found, _ = parsed_page(parser, TABLES[table], page, table)
    except BadEnvelope:
        return
    written = true_rows(envelope)
    kept = found.to_pylist()
    refused = quarantined(parser).to_pylist()
    for row in kept:
        assert any(is_read_right(table, row, candidate) for candidate in written), (row, written)
    refused_texts = Counter(json.dumps(json.loads(row["raw"]), sort_keys=True) for row in refused)
    assert len(kept) + sum(refused_texts.values()) <= len(written)
    assert len(kept) + len(refused) + _repeated(written) >= len(written), "a row is nowhere"
    assert all(row["reason"] for row in refused)


def _repeated(written: list[Any]) -> int:
    texts = [json.dumps(row, sort_keys=True, default=str) for row in written]
    return len(texts) - len(set(texts))


@settings(deadline=None, max_examples=75, derandomize=True)
@given(st.data())
def test_any_envelope_is_read_exactly_quarantined_or_refused(data: st.DataObject) -> None:
    try_one(data)


def try_one(data: st.DataObject) -> None:
    """An envelope of either table, through all that reads it."""
    table = data.draw(st.sampled_from(FUZZED))
    envelope = data.draw(envelopes(table))
    body = envelope.encode("utf-8", "surrogatepass")
    try:
        page = read_page(ApiResponse(parse_object(body), None, f"{table}?page=1", 1, 0.1))
    except (Unreadable, BadEnvelope):
        return
    judge(table, envelope, page)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def test_any_envelope_over_a_socket(server: ScriptedServer, tmp_path: Path) -> None:
    where = Settings(api_token=Token("t"), base_url=server.url, calls_per_minute=0, warehouse_dir=tmp_path)
    with Client(where, policy=RetryPolicy(attempts=2, base_s=0.0)) as client:
        fallback = RequestFallback(client)

        @settings(deadline=None, max_examples=40, derandomize=True)
        @given(st.data())
        def holds(data: st.DataObject) -> None:
            table = data.draw(st.sampled_from(FUZZED))
            envelope = data.draw(envelopes(table))
            server.default = lambda _: Response(body=envelope.encode("utf-8", "surrogatepass"))
            try:
                page = fallback.page(Query("users"))
            except (ApiUnavailable, BadEnvelope) as error:
                messages.append(error.message)
                return
            judge(table, envelope, page)

        messages: list[str] = []
        holds()
        server.default = lambda _: Response(body=b'{"data":{"first":1}}')  # what was generated may all be readable
        with pytest.raises(BadEnvelope) as refused:
            fallback.page(Query("users"))
        messages.append(refused.value.message)
        assert all("users" in message for message in messages)


GOOD = '{"id":3,"campaign_id":1,"name":"Voucher","type":"Voucher","value":"19.99"}'


def listed(*rows: str) -> str:
    return f'{{"data":[{",".join(rows)}],"meta":{{"total":{len(rows)},"last_page":1}}}}'


@settings(deadline=None, max_examples=1, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(envelope=envelopes("rewards"))
@example(envelope=listed(GOOD, GOOD.replace("3", "4").replace("19.99", "1e999"), '{"id":"\ud800"}', "null"))
@example(envelope=listed(GOOD, GOOD, GOOD.replace("19.99", "20")))
def test_whole_loads_of_wrong_responses_leave_exact_rows_and_continue(
    server: ScriptedServer, tmp_path: Path, envelope: str
) -> None:
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    where = Settings(api_token=Token("t"), base_url=server.url, calls_per_minute=0, warehouse_dir=tmp_path / "data")
    bodies = [envelope.encode("utf-8", "surrogatepass"), listed(GOOD).encode()]
    reports = []
    for body in bodies:

        def answer(request: Request, body: bytes = body) -> Response:
            return Response(body=body) if "rewards" in request.target else empty(request)

        server.default = answer
        with Client(where, policy=RetryPolicy(attempts=2, base_s=0.0)) as client:
            try:
                reports.append(load(replace(where), ("rewards",), client=client))
            except ReferralsError:
                if body is bodies[1]:
                    raise
                continue
        with LoadFile(where.load_path) as load_file:
            found = load_file.connection.execute("from raw.rewards where _dlt_valid_to is null").to_arrow_table()
        for row in found.to_pylist():
            assert any(
                is_read_right("rewards", row, candidate)
                for candidate in true_rows(body.decode("utf-8", "surrogatepass"))
            )
    assert found.column("id").to_pylist() == [3]


def empty(_request: Request) -> Response:
    return Response()
