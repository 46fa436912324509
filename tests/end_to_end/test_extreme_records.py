"""Whole syncs as processes of their own against answers in which one record of every stream holds an extreme value.

All other records are published with exit 0; once the record can be read, the next syncs publish it too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.sandbox import Quirks, Sandbox
from tests.end_to_end.fronting import ChangeBody, FrontServer, unchanged_body
from tests.kills.forks import run_referrals
from tests.sampling import sampled

DIGITS = "9" * 5_000
PATHS = {"campaigns": "campaigns", "rewards": "rewards", "users": "users", "rewards/due": "rewards_due",
         "rewards/issued": "rewards_issued"}  # fmt: skip
KEYS = {"campaigns": "campaign_id", "rewards": "reward_id", "users": "user_id", "rewards_due": "due_id",
        "rewards_issued": "issued_id", "coupons": "coupon_id"}  # fmt: skip
Change = tuple[str, str]  # the field and its JSON text
CASES: dict[str, dict[str, Change]] = {
    "an exponent of a billion": {
        "campaigns": ("reach", "1e999999999"), "rewards": ("value", "1e999999999"), "users": ("reach", "1e999999999"),
        "rewards_due": ("total_value", "1e999999999"), "rewards_issued": ("total_due", "1e999999999"),
        "coupons": ("batch_id", "1e999999999"),
    },
    "5,000 digits as text in the id": dict.fromkeys(KEYS, ("id", f'"{DIGITS}"')),
    "5,000 digits as a number in the id": dict.fromkeys(KEYS, ("id", DIGITS)),
    "nested 20,000 levels": {
        "campaigns": ("name", "[" * 20_000 + "]" * 20_000), "rewards": ("campaign_id", "[" * 20_000 + "]" * 20_000),
        "users": ("meta", '{"a":' * 20_000 + "1" + "}" * 20_000), "rewards_due": ("status", "[" * 700 + "]" * 700),
        "rewards_issued": ("status", '{"":' * 300 + "1" + "}" * 300), "coupons": ("name", "[" * 20_000 + "]" * 20_000),
    },
    "half characters and nothing": {
        "campaigns": ("name", '"\\ud800"'), "rewards": ("id", "null"), "users": ("email", '"\\ud800"'),
        "rewards_due": ("id", "true"), "rewards_issued": ("status", '"\\udfff"'), "coupons": ("name", '"\\ud800"'),
    },
    "the largest id there is": {"users": ("id", str(2**63 - 1))},
}  # fmt: skip


class Account:
    """The sandbox, a front that changes one record of each stream, and the command line."""

    def __init__(self, sandbox: Sandbox, front: FrontServer, folder: Path, models: Path) -> None:
        self._models = models
        self.sandbox = sandbox
        self.front = front
        self.folder = folder
        self._environ = {k: v for k, v in os.environ.items() if not k.startswith(("SOURCES__", "WAREHOUSE__"))} | {
            "SOURCES__REFERRAL_FACTORY__BASE_URL": front.base_url,
            "SOURCES__REFERRAL_FACTORY__API_TOKEN": sandbox.token,
            "SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE": "0",
            "WAREHOUSE__DIR": str(folder / "data"),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "machine"),
        }

    def sync(self, *options: str) -> dict[str, Any]:
        done = run_referrals(["sync", "--json", *options], self._environ, self.folder, self._models)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert DIGITS[:100] not in done.stdout + done.stderr
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary

    def published(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def ids(self, stream: str) -> set[int]:
        return {identifier for (identifier,) in self.published(f"select {KEYS[stream]} from core.{stream}")}


@pytest.fixture
def account(tmp_path: Path, few_models_folder: Path) -> Iterator[Account]:
    with (
        Sandbox(users=130, seed=5, calls_per_minute=0, quirks=Quirks(ignore_per_page=True)) as sandbox,
        FrontServer(sandbox.base_url) as front,
    ):
        yield Account(sandbox, front, tmp_path, few_models_folder)


def victims(sandbox: Sandbox) -> dict[str, int]:
    """A record of each stream, from the middle of its list; the coupon is one that a user holds."""
    chosen = {}
    for stream in KEYS:
        rows = [row for row in sandbox.rows(stream) if stream != "coupons" or row["referral_id"] is not None]
        chosen[stream] = rows[len(rows) // 2]["id"]
    return chosen


def changing(changes: dict[str, Change], chosen: dict[str, int]) -> ChangeBody:
    """A function that writes the extreme value into the chosen record of each stream, wherever it is sent."""

    def mark(stream: str, row: Any) -> None:
        if isinstance(row, dict) and stream in changes and row.get("id") == chosen[stream]:
            row[changes[stream][0]] = f"@{stream}@"

    def change_body(path: str, _parameters: dict[str, str], body: bytes) -> bytes:
        payload = json.loads(body)
        data = payload.get("data")
        if path.startswith("coupons/"):
            mark("coupons", data)
        for row in data if isinstance(data, list) and path in PATHS else ():
            if PATHS[path] == "users":
                mark("coupons", row.get("coupon"))
            mark(PATHS[path], row)
        text = json.dumps(payload)
        return re.sub('"@([a-z_]+)@"', lambda found: changes[found[1]][1], text).encode()

    return change_body


@pytest.mark.parametrize("name", sampled(CASES, 1))
def test_one_extreme_record_of_each_stream_costs_only_itself(account: Account, name: str) -> None:
    changes, chosen = CASES[name], victims(account.sandbox)
    account.front.change_body = changing(changes, chosen)
    summary = account.sync()
    assert summary["published"] is True
    for stream in KEYS:
        held = {row["id"] for row in account.sandbox.rows(stream)
                if stream != "coupons" or row["referral_id"] is not None}  # fmt: skip
        if stream in changes:
            held.discard(chosen[stream])
        assert held <= account.ids(stream), stream
        if stream in changes and name != "the largest id there is":
            assert summary["streams"][stream]["rows_quarantined"] == 1, stream
    reasons = account.published("select stream, reason, length(record_id), json_valid(record) from ops.quarantine")
    assert all(0 < len(reason) < 200 and length < 120 and is_valid for _, reason, length, is_valid in reasons)
    for stream, (_field, text) in changes.items():
        if len(text) == 5_000 or text == "1e999999999":
            [(record,)] = account.published(f"select record::varchar from ops.quarantine where stream = '{stream}'")
            assert text in record, stream
    account.sync()  # nothing changed: the same records are refused again

    account.front.change_body = unchanged_body
    account.sandbox.wait(60)
    account.sync("--sweep")
    for stream in changes:
        assert chosen[stream] in account.ids(stream), stream
    if name != "the largest id there is":
        assert account.published("select stream, record_id, reason from ops.quarantine where is_open") == []


@pytest.mark.full
def test_zero_dates_are_no_dates_and_a_note(account: Account) -> None:
    chosen = victims(account.sandbox)
    zeros = {
        "campaigns": ("ends_at", '"0000-00-00 00:00:00"'),
        "users": ("unsubscribed_at", '"-0001-11-30T00:00:00.000000Z"'),
        "rewards_issued": ("issued_at", '"0000-00-00"'), "coupons": ("used_at", '"-0001-11-30 00:00:00"'),
    }  # fmt: skip
    account.front.change_body = changing(zeros, chosen)
    summary = account.sync()
    for stream, (field, _text) in zeros.items():
        notes = " ".join(summary["streams"][stream]["notes"])
        assert re.search(rf"\d values of '{stream}\.{field}' are zero dates, read as no date", notes), stream
        assert summary["streams"][stream]["rows_quarantined"] == 0
        [(value,)] = account.published(f"select {field} from core.{stream} where {KEYS[stream]} = {chosen[stream]}")
        assert value is None
    assert account.published("select * from ops.quarantine") == []


@pytest.mark.full
def test_an_extreme_batch_inside_of_coupons_costs_only_itself(account: Account) -> None:
    bent: dict[str, int] = {}

    def change_body(path: str, _parameters: dict[str, str], body: bytes) -> bytes:
        payload = json.loads(body)
        data = payload.get("data")
        if path.startswith("coupons/") and isinstance(data, dict) and isinstance(data.get("batch"), dict):
            bent.setdefault("id", data["batch"]["id"])
        if bent and isinstance(data, dict) and (data.get("batch") or {}).get("id") == bent["id"]:
            data["batch"] |= {"campaign_id": "@", "created_at": "0000-00-00"}
        return json.dumps(payload).replace('"@"', "1e999999999").encode()

    account.front.change_body = change_body
    summary = account.sync()
    assert summary["published"] is True
    assert bent
    assert account.ids("coupons") >= {r["id"] for r in account.sandbox.rows("coupons") if r["referral_id"] is not None}
