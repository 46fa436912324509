"""An account and its load file for the tests: a sandbox on a real socket, the loader against it, and the rows of both.

``differences`` compares them with readings of its own: it shares no coercion with the loader.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.load.runner import LoadReport, load
from referral_warehouse.sandbox import Sandbox
from referral_warehouse.settings import Settings, Token

WORLD, DATA = "world.sqlite3", "data"
TIMES = {"date", "qualified_at", "unsubscribed_at", "starts_at", "ends_at", "issued_at", "used_at"}
SETTINGS = ("slice_rows", "overlap_days", "refresh_calls", "sweep_every_days")
JSONS = {"meta", "sharing", "sharing_message"}
HISTORIES = {"campaigns", "rewards", "rewards_due", "rewards_issued"}
GONE = (
    "select id from raw.observations where stream = '{stream}' and what in ('vanished', 'reappeared') "
    "group by id having arg_max(what, observed_at) = 'vanished'"
)


class Account:
    """A sandbox and the warehouse directory that is loaded from it.

    Opening and closing the load file takes longer than most queries: it stays open between them, until ``settings``
    is read, as anything does that may open the file itself.
    """

    def __init__(self, world: Sandbox, folder: Path) -> None:
        self.world = world
        self._reading: duckdb.DuckDBPyConnection | None = None
        self._settings = Settings(
            api_token=Token(world.token), base_url=world.base_url, calls_per_minute=0, simulated_time=True,
            timeout_s=20.0, warehouse_dir=folder / DATA,
        )  # fmt: skip

    @property
    def settings(self) -> Settings:
        """The settings of a load; the load file is closed first."""
        self.close()
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings

    def load(self, *streams: str, **options: Any) -> LoadReport:
        """One run; ``world.calls`` afterwards holds the calls of this run alone."""
        self.world.reset_calls()
        changed = {name: options.pop(name) for name in SETTINGS if name in options}
        return load(replace(self.settings, **changed), streams, **options)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the load file."""
        return self._run_query(sql).fetchall()

    def one(self, sql: str) -> Any:
        """The single value that a query returns."""
        ((value,),) = self.query(sql)
        return value

    def _run_query(self, sql: str) -> duckdb.DuckDBPyConnection:
        if self._reading is None:
            self._reading = duckdb.connect(str(self._settings.load_path), read_only=True)
            self._reading.execute("set timezone = 'UTC'")
        return self._reading.execute(sql)

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The load file, opened as it is between two runs."""
        with duckdb.connect(str(self.settings.load_path)) as connection:
            connection.execute("set timezone = 'UTC'")
            yield connection

    def close(self) -> None:
        """Close the load file, if a query left it open."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def tamper(self, sql: str, *values: Any) -> None:
        """Change the account's own tables in a way that no action of the sandbox does."""
        with self.world._store.transaction():
            self.world._store.run(sql, *values)

    def count_referrals(self) -> None:
        """Set the counters of all people to the referrals that the account holds."""
        self.tamper("update users set referrals_count = 0, converted_referrals_count = 0")
        self.tamper(
            "update users set referrals_count = counted.referrals, converted_referrals_count = counted.converted "
            "from (select referrer_id, count(*) as referrals, sum(qualified) as converted from users "
            "group by referrer_id) as counted where counted.referrer_id = users.id"
        )

    def calls_to(self, path: str) -> int:
        """How many calls of the last run went to a path."""
        return sum(call.path == f"/api/v1/{path}" for call in self.world.calls)

    def packages(self) -> int:
        """How many packages were committed so far."""
        return int(self.one("select count(*) from raw._dlt_loads"))

    def differences(self) -> dict[str, Any]:
        """The rows that differ between the load file and the account, by stream; empty when they are equal."""
        streams = ("campaigns", "rewards", "users", "rewards_due", "rewards_issued", "coupons")
        found = {}
        for stream in streams:
            there, here = self._truth(stream), self._stored(stream)
            if (
                stream == "coupons"
            ):  # the API returns an assigned coupon with its user, an unassigned one only by its name
                there = {n: row for n, row in there.items() if row["referral_id"] is not None or n in here}
            if there != here:
                found[stream] = {
                    n: (there.get(n), here.get(n)) for n in there.keys() | here.keys() if there.get(n) != here.get(n)
                }
        return found

    def _truth(self, stream: str) -> dict[int, dict[str, Any]]:
        rows = self.world.rows(stream)
        return {row["id"]: {name: _comparable(name, row[name]) for name in _fields(stream, row)} for row in rows}

    def _stored(self, stream: str) -> dict[int, dict[str, Any]]:
        where = "_dlt_valid_to is null" if stream in HISTORIES else f"id not in ({GONE.format(stream=stream)})"
        found = self._run_query(f"select * from raw.{stream} where {where}")
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
        if stream == "campaigns":  # how often a page was viewed is no part of a campaign's history
            reach = dict(self.query("select id, reach from raw.campaign_reach"))
            rows = [row | {"reach": reach.get(row["id"])} for row in rows]
        assert len({row["id"] for row in rows}) == len(rows), f"{stream}: an id is in two current rows"
        return {row["id"]: {name: _read(name, row[name]) for name in _fields(stream, row)} for row in rows}


def _fields(stream: str, row: dict[str, Any]) -> list[str]:
    left_out = {"batch_name", "campaign_id"} if stream == "coupons" else set()
    return [name for name in row if not name.startswith("_") and name not in left_out]


def _comparable(name: str, value: Any) -> Any:
    if name in TIMES and value is not None:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
    return value


def _read(name: str, value: Any) -> Any:
    return json.loads(value) if name in JSONS and value is not None else value


@contextmanager
def reopened(template: Path, folder: Path) -> Iterator[Account]:
    """A copy of an account that was loaded once, with a server of its own."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    with Sandbox(folder / WORLD, calls_per_minute=0) as world:
        account = Account(world, folder)
        yield account
        account.close()
