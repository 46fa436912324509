"""Wrong responses, over a socket into the load file and the warehouse: the exact value, quarantine, or an error.

A server in front of the sandbox changes its responses. Values are written as JSON text, so that they are sent exactly.
"""

# ruff: noqa: DTZ001 - times are naive UTC in the load file

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from referral_warehouse.errors import BadEnvelope, ChecksFailed, DataRefused, IncompleteList, ReferralsError
from referral_warehouse.sandbox import Quirks, Sandbox
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.end_to_end.fronting import ChangeBody, FrontServer, unchanged_body
from tests.end_to_end.load_truth import SleepClock, differences, run, unexpected_rows
from tests.sampling import sampled

Payload = dict[str, Any]
LONG = "ä" * 5_500_000  # more than 10 MB of UTF-8


@dataclass(frozen=True)
class Bad:
    """The row goes to quarantine; the reason begins so."""

    reason: str


# Stream, field, what the server writes, and what becomes of it. Each line is done to one row of its own.
VALUES: list[tuple[str, str, str, Any]] = [
    ("users", "id", '"{}"', "as it was"),
    ("users", "campaign_id", '"2"', 2),
    ("users", "qualified", "1", True),
    ("users", "qualified", '"0"', False),
    ("users", "qualified", "2", Bad("qualified: '2' is neither true nor false")),
    ("users", "unsubscribed", '"1"', True),
    ("users", "reach", "7.0", 7),
    ("users", "reach", "9223372036854775807", 2**63 - 1),
    ("users", "reach", "9223372036854775808", Bad("reach: '9223372036854775808' does not fit into 64 bits")),
    ("users", "reach", "-1e400", Bad("reach: -1E+400 is not an exact whole number")),
    ("users", "reach", '{"views": 7}', Bad("reach: ")),
    ("users", "first_name", '"a\\u0000b"', "a\x00b"),
    ("users", "first_name", '"half \\ud83d"', Bad("first_name: text that is not valid Unicode")),
    ("users", "first_name", json.dumps(LONG), LONG),
    ("users", "first_name", "12345678901234567890", "12345678901234567890"),
    ("users", "meta", '{"a": "\\udc00"}', Bad("meta: JSON that is not valid Unicode")),
    ("users", "date", '"2026-02-30T10:00:00Z"', Bad("date: '2026-02-30T10:00:00Z' is not a possible date")),
    ("users", "date", '"0000-00-00 00:00:00"', Bad("date: '0000-00-00 00:00:00' is not a possible date")),
    ("users", "date", '"2026-01-02T03:04:05+02:00"', datetime(2026, 1, 2, 1, 4, 5)),
    ("users", "date", "1767322800", Bad("date: '1767322800' is not a date")),
    ("rewards_due", "reward_id", '"1"', 1),
    ("rewards_due", "total_due", '"2"', 2),
    ("rewards_due", "total_due", "null", Bad("total_due is empty")),
    ("rewards_due", "total_value", '"19.99"', Decimal("19.99")),
    ("rewards_due", "total_value", "19.99", Decimal("19.99")),
    ("rewards_due", "total_value", "null", None),
    ("rewards_due", "total_value", '""', None),
    ("rewards_due", "total_value", "1e3", Decimal("1000.00")),
    ("rewards_due", "total_value", "123456789012", Decimal("123456789012.00")),
    ("rewards_due", "total_value", "1234567890123456.78", Decimal("1234567890123456.78")),
    ("rewards_due", "total_value", "-7.5", Decimal("-7.50")),
    ("rewards_due", "total_value", "0.0050001", Bad("total_value: '0.0050001' has more than 6 decimal places")),
    ("rewards_due", "total_value", "1e16", Bad("total_value: ")),
    ("rewards_due", "total_value", "NaN", Bad("total_value: ")),
    ("rewards_due", "total_value", '"€ 5"', Bad("total_value: ")),
]
PATHS = {"users": "users", "rewards_due": "rewards/due"}
pytestmark = pytest.mark.usefixtures("few_models_in_module")


def rewriting(change: Callable[[str, Payload], Any], path: str = "") -> ChangeBody:
    """A function for ``FrontServer`` that changes the payload of lists (of one path) by ``change``."""

    def change_body(asked: str, _parameters: dict[str, str], body: bytes) -> bytes:
        payload = json.loads(body)
        if path not in ("", asked) or not isinstance(payload.get("data"), list):
            return body
        changed = change(asked, payload)
        return body if changed is None else json.dumps(changed).encode()

    return change_body


def with_written_values(stream: str, texts: dict[int, tuple[str, str]]) -> ChangeBody:
    """Rows (by id) whose field is written as the text given, character for character."""

    def change_body(asked: str, _parameters: dict[str, str], body: bytes) -> bytes:
        if asked != PATHS[stream]:
            return body
        payload = json.loads(body)
        for row in payload["data"]:
            if row["id"] in texts:
                name, text = texts[row["id"]]
                row[name] = f"@{row['id']}@"
        bent = json.dumps(payload)
        for identifier, (_name, text) in texts.items():
            bent = bent.replace(f'"@{identifier}@"', text.replace("{}", str(identifier)))
        return bent.encode()

    return change_body


def together(*functions: ChangeBody) -> ChangeBody:
    def change_body(asked: str, parameters: dict[str, str], body: bytes) -> bytes:
        for one in functions:
            body = one(asked, parameters, body)
        return body

    return change_body


def loaded(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The load file, to be read."""
    return duckdb.connect(str(settings.load_path), read_only=True)


def stored(held: duckdb.DuckDBPyConnection, stream: str, identifier: int, field: str) -> Any:
    where = "and _dlt_valid_to is null" if stream == "rewards_due" else ""
    [(value,)] = held.execute(f"select {field} from raw.{stream} where id = {identifier} {where}").fetchall()
    return value


def test_each_value_is_read_exactly_or_its_row_keeps_the_last_good_version(empty: Settings) -> None:
    clock = SleepClock()
    with Sandbox(users=120, seed=5, calls_per_minute=0) as sandbox, FrontServer(sandbox.base_url) as front:
        settings = replace(empty, base_url=front.base_url)
        run(settings, clock)
        assert differences(settings.load_path, sandbox) == []
        rows = {stream: iter(sandbox.rows(stream)) for stream in PATHS}
        plan = [(stream, next(rows[stream]), field, text, becomes) for stream, field, text, becomes in VALUES]
        twice = next(rows["users"])["id"]

        def doubled(_path: str, payload: Payload) -> Payload:
            payload["data"] = payload["data"] + [
                row | {"first_name": "Another"} for row in payload["data"] if row["id"] == twice
            ]
            payload["meta"]["total"] = max(payload["meta"]["total"], len(payload["data"]))
            return payload

        front.change_body = together(
            rewriting(doubled, "users"),
            *(
                with_written_values(
                    stream, {row["id"]: (field, text) for s, row, field, text, _ in plan if s == stream}
                )
                for stream in PATHS
            ),
        )
        with loaded(settings) as held:
            before = {row["id"]: stored(held, s, row["id"], f) for s, row, f, _, b in plan if isinstance(b, Bad)}
        report = run(settings, clock, sweep=True)
        with loaded(settings) as held:
            for stream, row, field, text, becomes in plan:
                value = stored(held, stream, row["id"], field)
                if isinstance(becomes, Bad):
                    assert value == before[row["id"]], (field, text)
                    [(reason,)] = held.execute(
                        f"select reason from raw.quarantine where stream = '{stream}' and record_id = '{row['id']}'"
                    ).fetchall()
                    assert reason.startswith(becomes.reason), (field, text)
                else:
                    assert value == (row["id"] if becomes == "as it was" else becomes), (field, text)
            assert stored(held, "users", twice, "first_name") != "Another"
        bad = {s: sum(isinstance(b, Bad) for stream, *_, b in plan if stream == s) for s in PATHS}
        assert report.streams["users"].rows_quarantined == bad["users"] + 2
        assert report.streams["rewards_due"].rows_quarantined == bad["rewards_due"]
        with pytest.raises(ChecksFailed, match="fail_quarantine_share: 2 rows"):
            publish(settings, build(settings))
        published = publish(*(lambda s: (s, build(s)))(replace(settings, max_quarantine_percent=100)))
        counted = {warning.check: warning.violations_count for warning in published.warnings}
        assert counted["warn_quarantine"] == bad["users"] + bad["rewards_due"] + 1

        front.change_body = unchanged_body
        sandbox.wait(60)
        run(settings, clock, sweep=True)
        assert differences(settings.load_path, sandbox) == []
        again = publish(settings, build(settings))
        assert "warn_quarantine" not in {warning.check for warning in again.warnings}


def meta(**changed: Any) -> ChangeBody:
    def change(_path: str, payload: Payload) -> Payload:
        values = {name: value(payload) if callable(value) else value for name, value in changed.items()}
        return payload | {"meta": payload["meta"] | values}

    return rewriting(change, "users")


def texts(name: str) -> Callable[[Payload], str]:
    return lambda payload: str(payload["meta"][name])


def data(change: Callable[[list[Any]], Any]) -> ChangeBody:
    return rewriting(lambda _path, payload: payload | {"data": change(payload["data"])}, "users")


def without(name: str) -> ChangeBody:
    return rewriting(lambda _path, payload: {key: value for key, value in payload.items() if key != name}, "users")


Outcome = type[ReferralsError] | None
ENVELOPES: dict[str, tuple[ChangeBody, Outcome, str]] = {
    "no data": (without("data"), BadEnvelope, "users.*has no 'data'"),
    "data is null": (data(lambda _: None), BadEnvelope, "users.*'data' is not a list"),
    "data is a text": (data(lambda _: "rows"), BadEnvelope, "users.*'data' is not a list"),
    "data keyed by words": (data(lambda rows: {"first": rows}), BadEnvelope, "users.*'data' is not a list"),
    "data keyed by numbers": (data(lambda rows: dict(enumerate(rows))), None, ""),
    "no meta": (without("meta"), None, ""),
    "meta is a list": (rewriting(lambda _p, payload: payload | {"meta": []}, "users"), None, ""),
    "counts are texts": (meta(total=texts("total"), last_page=texts("last_page")), None, ""),
    "last_page is always 1": (meta(last_page=1), None, ""),
    "per_page and current_page lie": (meta(per_page=1, current_page=99), None, ""),
    "total is less than the page holds": (meta(total=1), BadEnvelope, "'meta.total' is 1, but the page alone has"),
    "total is three more": (meta(total=lambda p: p["meta"]["total"] + 3), DataRefused, "users"),
    "total is always 30": (meta(total=30), DataRefused, "users: total: API reports 30, local 60"),
    "a required field vanished": (
        data(lambda rows: [{k: v for k, v in row.items() if k != "email"} for row in rows]),
        BadEnvelope,
        r"users.*page.*'email' is in no row",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sampled(ENVELOPES, 1))
def test_an_envelope_is_read_or_refused_and_nothing_is_lost(empty: Settings, name: str) -> None:
    change_body, error, words = ENVELOPES[name]
    with (
        Sandbox(users=60, seed=5, calls_per_minute=0, quirks=Quirks(ignore_per_page=True)) as sandbox,
        FrontServer(sandbox.base_url, change_body=change_body) as front,
    ):
        settings = replace(empty, base_url=front.base_url)
        streams = ("users", "coupons")
        if error is None:
            run(settings, SleepClock(), streams)
        else:
            with pytest.raises(error, match=words) as refused:
                run(settings, SleepClock(), streams)
            assert "Next: " in str(refused.value)
            assert unexpected_rows(settings.load_path, sandbox) == []
            front.change_body = unchanged_body
            run(settings, SleepClock(), streams)
        others = {"campaigns", "rewards", "rewards_due", "rewards_issued"}
        assert differences(settings.load_path, sandbox, without=others) == []


def test_an_error_names_its_stream_and_page(empty: Settings) -> None:
    """A list that is in order until a page in its middle."""

    def third(_path: str, parameters: dict[str, str], body: bytes) -> bytes:
        return b'{"message": "ok"}' if parameters.get("page") == "3" else body

    with (
        Sandbox(users=150, seed=5, calls_per_minute=0, quirks=Quirks(ignore_per_page=True)) as sandbox,
        FrontServer(sandbox.base_url, change_body=third) as front,
    ):
        settings = replace(empty, base_url=front.base_url)
        with pytest.raises((BadEnvelope, IncompleteList), match=r"users\?.*page=3.*has no 'data'"):
            run(settings, SleepClock())
        assert unexpected_rows(settings.load_path, sandbox) == []


@pytest.mark.full
def test_a_list_that_cannot_be_read_is_not_published_and_read_again_once_it_is_repaired(empty: Settings) -> None:
    clock = SleepClock()
    with (
        Sandbox(users=60, seed=5, calls_per_minute=0) as sandbox,
        FrontServer(sandbox.base_url, change_body=data(lambda rows: [str(row["id"]) for row in rows])) as front,
    ):
        settings = replace(empty, base_url=front.base_url)
        report = run(settings, clock)
        assert report.streams["users"].rows_quarantined == 60
        with pytest.raises(ChecksFailed, match="stream=users, open_count=60, records_count=60") as refused:
            publish(settings, build(settings))
        assert "sync --sweep" in refused.value.next_step
        front.change_body = unchanged_body
        sandbox.wait(60)
        run(settings, clock, sweep=True)
        assert differences(settings.load_path, sandbox) == []
        assert publish(settings, build(settings)).snapshot == 1
