"""The lists of rewards are requested while the last users are read, and are exact all the same: as of one time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.api.client import Client
from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.api.query import Query
from referral_warehouse.errors import RequestRefused
from referral_warehouse.load.context import LoadContext, LoadRequest
from referral_warehouse.load.page_parser import PageParser
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.runner import LoadReport, load
from referral_warehouse.load.storage.memory_store import MemoryStore
from referral_warehouse.settings import Settings, Token
from tests.account_server import AccountServer, due, issued, small_account
from tests.load.held_server import ALONE_AFTER_S, HeldServer, Parameters, account_with_coupons

READ_AHEAD = {"rewards", "rewards/issued", "rewards/due"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(api_token=Token("ahead-test-token"), calls_per_minute=0, warehouse_dir=tmp_path / "data")


def loaded(server: HeldServer, settings: Settings, **options: Any) -> LoadReport:
    return load(replace(settings, base_url=server.base_url), **options)


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings.load_path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def account(batches: int) -> HeldServer:
    lists, coupons = account_with_coupons(batches=batches, users=batches)
    lists["rewards/issued"], lists["rewards/due"] = [issued(1)], [due(1)]
    server = HeldServer(lists)
    server.coupons = coupons
    return server


class HeldUntil:
    """Holds requests of one kind until others have arrived; ``alone`` has those for which that did not happen."""

    def __init__(self, is_held: Callable[[str], bool], wanted: set[str]) -> None:
        self._is_held = is_held
        self._missing = set(wanted)
        self._condition = threading.Condition()
        self.alone: list[str] = []

    def wait(self, path: str, _parameters: Parameters) -> None:
        with self._condition:
            self._missing.discard(path)
            self._condition.notify_all()
            if self._is_held(path) and not self._condition.wait_for(lambda: not self._missing, ALONE_AFTER_S):
                self._missing.clear()  # the others need not wait as long
                self.alone.append(path)


class At:
    """Calls a function at the first request of a list, before it is answered."""

    def __init__(self, path: str, act: Callable[[], object]) -> None:
        self._path = path
        self._act: Callable[[], object] | None = act

    def wait(self, path: str, _parameters: Parameters) -> None:
        if path == self._path and self._act is not None:
            act, self._act = self._act, None
            act()


def test_the_lists_of_rewards_are_requested_while_names_of_coupons_are(settings: Settings) -> None:
    with account(batches=5) as server:
        server.gates = [gate := HeldUntil(lambda path: path.startswith("coupons/"), READ_AHEAD)]
        report = loaded(server, settings)
        sent = [path for path, _ in server.requests]
    assert gate.alone == []
    counted = {name: found.calls for name, found in report.streams.items()}
    assert counted["rewards"] == sent.count("rewards")
    assert counted["rewards_issued"] == sent.count("rewards/issued")
    assert counted["rewards_due"] == sent.count("rewards/due")
    assert sum(counted.values()) == len(sent) == report.calls


def test_they_begin_when_few_pages_are_left_to_be_requested_however_many_wait_to_be_used(settings: Settings) -> None:
    """A load that cannot use the pages as fast as they come still keeps requests in flight at the end of the users."""
    began_at: list[int] = []
    with AccountServer(small_account(users=200)) as server:
        here = replace(settings, base_url=server.base_url, concurrency=8)
        with Client(here) as client, Paginator(client) as paginator, MemoryStore(TABLES, {}) as store:
            ctx = LoadContext(here, LoadRequest(frozenset()), paginator, store, PageParser(LoadReport("run")))
            ctx.begin_ahead = lambda: began_at.append(used + 1)  # type: ignore[method-assign]
            used = 0
            pages = ctx.begin_ahead_near_end(paginator.iter_all(Query("users", per_page=2)))
            for page in pages:
                used += len(page.rows) // 2
    assert used == 100
    assert 25 < began_at[0] < 40, "as many as are used may wait, and the 8 in flight"


def test_where_rewards_issued_are_not_read_completely_nothing_begins_before_them(settings: Settings) -> None:
    with account(batches=2) as server:
        loaded(server, settings)
        server.requests.clear()
        loaded(server, settings)
        sent = [path for path, _ in server.requests]
    last = {path: len(sent) - 1 - sent[::-1].index(path) for path in ("users", *READ_AHEAD)}
    assert sent.index("rewards/issued") < sent.index("rewards/due") < sent.index("rewards")
    assert last["rewards/issued"] < sent.index("rewards"), "what refers to rewards is read before them"


def test_rewards_due_are_requested_only_after_those_issued_were_read(settings: Settings) -> None:
    early: list[bool] = []
    with account(batches=40) as server:
        server.gates = [
            HeldUntil(lambda path: path == "rewards/issued", {f"coupons/C{number}" for number in range(1, 41)}),
        ]
        answer = server._answer

        def answered(path: str, parameters: Parameters) -> tuple[int, bytes]:
            found = answer(path, parameters)
            if path == "rewards/issued":
                early.append("rewards/due" in [known for known, _ in server.requests])
            return found

        server._answer = answered  # type: ignore[method-assign]
        loaded(server, settings)
    assert early[0] is False
    assert early[-1], "they are counted after both"


def test_a_reward_issued_in_place_of_a_deleted_one_is_in_one_list(settings: Settings) -> None:
    """It leaves the rewards due after the list of issued ones was read; the count of these is the same as before."""
    with account(batches=5) as server:

        def issue() -> None:
            server.lists["rewards/issued"] = [issued(2)]
            server.lists["rewards/due"] = []

        server.gates = [At("rewards/due", issue)]
        loaded(server, settings)
        sent = [path for path, _ in server.requests]
    again = len(sent) - 1 - sent[::-1].index("rewards/due")
    assert "rewards" in sent[again:], "what is due again may refer to a reward that is new"
    gone = "select id from raw.observations where stream = 'rewards_issued' and what = 'vanished'"
    assert rows(settings, "select id from raw.rewards_issued order by id") == [(1,), (2,)]
    assert rows(settings, gone) == [(1,)]
    assert rows(settings, "select count(*) from raw.rewards_due where _dlt_valid_to is null") == [(0,)]


def test_an_error_of_a_list_that_was_begun_keeps_what_was_read_before_it(settings: Settings) -> None:
    with account(batches=5) as server:
        server.errors["rewards"] = (404, b'{"message": "Not found"}')
        with pytest.raises(RequestRefused, match="rewards"):
            loaded(server, settings)
        assert rows(settings, "select count(*) from raw.users") == [(5,)]
        assert [found for found in threading.enumerate() if found.name == "lists ahead" and found.is_alive()] == []
        server.errors.clear()
        loaded(server, settings)
    assert rows(settings, "select count(*) from raw.rewards") == [(1,)]


def test_an_interrupted_run_ends_though_a_list_that_was_begun_is_slow(settings: Settings) -> None:
    slow = threading.Event()

    def interrupt(stage: str, _facts: dict[str, Any]) -> None:
        if stage == "users":
            raise KeyboardInterrupt

    with account(batches=5) as server:
        server.gates = [At("rewards", lambda: slow.wait(30))]
        try:
            with pytest.raises(KeyboardInterrupt):
                loaded(server, settings, progress=interrupt)
            for thread in [found for found in threading.enumerate() if found.name == "lists ahead"]:
                thread.join(10)
                assert not thread.is_alive()
        finally:
            slow.set()


def test_a_first_load_is_one_package(settings: Settings) -> None:
    with account(batches=5) as server:
        loaded(server, settings)
    assert rows(settings, "select count(*) from raw._dlt_loads") == [(1,)]
