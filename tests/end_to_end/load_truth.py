"""Loads without real waiting, and compares every row and column of the load file with the sandbox's own tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.api.client import Client
from referral_warehouse.api.clock import ClientClock
from referral_warehouse.api.rate_limit.host import HostClock
from referral_warehouse.api.rate_limit.limiter import open_rate_limiter
from referral_warehouse.api.retry import RetryPolicy
from referral_warehouse.load.registry import DOCUMENTED
from referral_warehouse.load.runner import LoadReport, load
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings

Row = dict[str, Any]
STREAMS = ("campaigns", "users", "rewards", "rewards_due", "rewards_issued", "coupons")
HISTORIES = ("campaigns", "rewards", "rewards_due", "rewards_issued")
_COUPONS = (
    "(select c.*, b.name as batch_name, b.campaign_id from raw.coupons as c "
    "left join raw.coupon_batches as b on b.id = c.batch_id)"
)
_CAMPAIGNS = (
    "(select c.* exclude (reach), r.reach from raw.campaigns as c left join raw.campaign_reach as r on r.id = c.id)"
)
_GONE = (
    "select id from raw.observations where stream = ? and what in ('vanished', 'reappeared') "
    "group by id having arg_max(what, observed_at) = 'vanished'"
)


class SleepClock:
    """A clock that only ``sleep`` moves, for the client, its call store and the sandbox's limiter."""

    def __init__(self) -> None:
        self.now = 1000.0

    def seconds(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def run(settings: Settings, clock: SleepClock, streams: Collection[str] = (), **options: Any) -> LoadReport:
    """One load through the real client, which waits by this clock only."""
    rate_limiter = open_rate_limiter(settings, HostClock(clock.seconds))
    policy = RetryPolicy(jitter=lambda: 1.0)
    client = Client(
        settings, rate_limiter=rate_limiter, policy=policy, clock=ClientClock(clock.seconds, sleep=clock.sleep)
    )
    try:
        return load(settings, streams, client=client, **options)
    finally:
        rate_limiter.close()


def differences(
    load_path: Path,
    sandbox: Sandbox,
    shape: Callable[[str, Row], Row] = lambda _stream, row: row,
    without: Collection[str] = (),
) -> list[str]:
    """What differs between sandbox and load file (the first few of each stream); of coupons, those that are assigned.

    Args:
        load_path: the load file.
        sandbox: the account.
        shape: changes an expected row, as a quirk of the sandbox does.
        without: streams that are expected to have no rows.
    """
    found: list[str] = []
    for stream in STREAMS:
        stored, duplicates = _stored(load_path, stream)
        found += [f"{stream} {identifier} is there twice" for identifier in duplicates]
        truth = {} if stream in without else {row["id"]: shape(stream, row) for row in _truth(sandbox, stream, stored)}
        if missing := sorted(truth.keys() - stored.keys()):
            found.append(f"{stream}: {len(missing)} rows are missing: {missing[:5]}")
        if unexpected := sorted(stored.keys() - truth.keys()):
            found.append(f"{stream}: {len(unexpected)} rows should not be there: {unexpected[:5]}")
        wrong = [
            f"{stream} {identifier} {column}: {stored[identifier].get(column)!r} instead of {value!r}"
            for identifier in sorted(truth.keys() & stored.keys())
            for column, value in _expected(stream, truth[identifier]).items()
            if stored[identifier].get(column) != value
        ]
        found += wrong[:5]
    return found


def unexpected_rows(load_path: Path, sandbox: Sandbox) -> list[str]:
    """Rows of the load file that differ from the sandbox or are not there; rows that are missing do not count."""
    return [text for text in differences(load_path, sandbox) if "rows are missing" not in text]


def _truth(sandbox: Sandbox, stream: str, stored: Collection[int]) -> list[Row]:
    rows = sandbox.rows(stream)
    if stream == "coupons":  # an unassigned coupon is in no list: it can be read by its name alone
        rows = [row for row in rows if row["referral_id"] is not None or row["id"] in stored]
    return rows


def _expected(stream: str, row: Row) -> Row:
    times = {field.name for field in DOCUMENTED[stream].fields if field.kind == "time"}
    return {name: _time(value) if name in times else value for name, value in row.items()}


def _time(text: str | datetime | None) -> datetime | None:
    if text is None or isinstance(text, datetime):
        return text
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _stored(load_path: Path, stream: str) -> tuple[dict[int, Row], list[int]]:
    """The current rows by id, and the ids that occur more than once."""
    source = {"coupons": _COUPONS, "campaigns": _CAMPAIGNS}.get(stream, f"raw.{stream}")
    current = "_dlt_valid_to is null" if stream in HISTORIES else f"id not in ({_GONE})"
    with duckdb.connect(str(load_path), read_only=True) as connection:
        if not connection.execute("select 1 from duckdb_tables() where table_name = ?", [stream]).fetchall():
            return {}, []
        cursor = connection.execute(f"from {source} where {current}", [] if stream in HISTORIES else [stream])
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    for row in rows:
        for field in DOCUMENTED[stream].fields:
            if field.kind == "json" and row[field.name] is not None:
                row[field.name] = json.loads(row[field.name])
        row["_has_extra"] = row["_extra"] is not None
    by_id = {row["id"]: row for row in rows}
    duplicates = (
        sorted({row["id"] for row in rows if sum(other["id"] == row["id"] for other in rows) > 1})
        if len(by_id) != len(rows)
        else []
    )
    return by_id, duplicates
