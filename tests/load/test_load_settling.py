"""Settling: movement never passes for a contradiction, a contradiction never for movement, and repairs end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.errors import DataRefused
from referral_warehouse.load import runner
from referral_warehouse.load.page_parser import Repair
from referral_warehouse.load.reconcile.counts import Counts, Difference
from referral_warehouse.load.reconcile.policy import WALKS, settle
from referral_warehouse.load.storage.load_db import LoadFile
from referral_warehouse.sandbox import Traps
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.connection import draft_path
from tests.load.accounts import Account
from tests.sampling import sampled


def counts(there: int, here: int) -> Counts:
    return Counts(there, here, [Difference("users", "total", there, here)] if there != here else [])


class Moving:
    """People there and known here; before each call of ours somebody may come, go, or both at once."""

    def __init__(self, moves: Iterator[str]) -> None:
        self.there = set(range(10))
        self.here = set(range(9))
        self._moves = moves
        self._next = 10
        self.walks = 0

    def _move(self) -> None:
        what = next(self._moves, "")
        if "gone" in what:
            self.there.discard(min(self.there))
        if "new" in what:
            self.there.add(self._next)
            self._next += 1

    def count(self) -> Counts:
        self._move()
        return counts(len(self.there), len(self.here))

    def walk(self) -> Repair:
        self._move()
        repair = Repair(missing=len(self.there - self.here), vanished=len(self.here - self.there))
        self.here = set(self.there)
        self.walks += 1
        return repair

    def mend(self, _counts: Counts, repair: Repair) -> None:
        """Finds one difference at a time."""
        self._move()
        differing = sorted(self.there ^ self.here)
        if differing:
            self.here ^= {differing[0]}
            repair.changed += 1


@given(st.lists(st.sampled_from(["", "gone", "new", "gone and new"]), max_size=12), st.booleans())
def test_movement_is_never_refused_and_what_is_left_is_in_flight(moves: list[str], by_ids: bool) -> None:
    account = Moving(iter(moves))
    settlement = settle(account.count, account.mend if by_ids else None, account.walk)
    if not settlement.in_flight:
        assert settlement.counts.total == len(account.here)
    assert account.walks <= WALKS


def test_one_walk_is_enough_where_nothing_moves() -> None:
    account = Moving(iter(()))
    settlement = settle(account.count, None, account.walk)
    assert (settlement.in_flight, account.walks) == ([], 1)
    assert settlement.recorded(None, 3).repaired_by == "sweep"


def test_a_count_that_no_walk_bears_out_is_a_contradiction() -> None:
    walks: list[int] = []

    def walk() -> Repair:
        walks.append(1)
        return Repair(changed=1 if len(walks) == 1 else 0)

    settlement = settle(lambda: counts(11, 10), lambda _counts, _repair: None, walk)
    assert len(walks) == WALKS
    assert settlement.recorded(None, 5).is_contradiction
    with pytest.raises(DataRefused, match="without a change"):
        settlement.refuse_contradictions()


@pytest.mark.parametrize(
    "traps", sampled([{}, {"refuse_id_filters": True}, {"ignore_filters": True, "ignore_per_page": True}], 1)
)
def test_a_server_that_counts_one_too_many_is_refused(
    account: Account, traps: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Paginator.count
    monkeypatch.setattr(Paginator, "count", lambda self, query: (count(self, query) or 0) + (query.path == "users"))
    account.world.set_traps(Traps(**traps))
    with pytest.raises(DataRefused, match="users: total is"):
        account.load("users", "coupons")
    assert account.query("select what from raw.observations") == []
    monkeypatch.undo()
    account.load("users", "coupons")
    build(account.settings)
    with duckdb.connect(str(draft_path(account.settings)), read_only=True) as draft:
        told = draft.execute(
            "select is_contradiction, api_count - our_count, differences_found like 'total is%', calls_count > 0 "
            "from ops.reconciliation where stream = 'users' order by all desc"
        ).fetchall()
    assert told[0] == (True, 1, True, True)
    assert {row[0] for row in told[1:]} == {False}


def test_a_server_that_counts_beyond_the_bound_is_no_contradiction(
    fresh: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ignores filters, which a first walk of one page does not notice; then somebody joins above the bound."""
    account = fresh(users=60, traps=Traps(ignore_filters=True))
    there = len(account.world.rows("users"))
    largest_known_id = runner.largest_known_id

    def and_somebody_joins(load_file: LoadFile, stream: str) -> int | None:
        found = largest_known_id(load_file, stream)
        account.world.add_user(1)
        return found

    monkeypatch.setattr(runner, "largest_known_id", and_somebody_joins)
    report = account.load("users", "coupons")
    assert report.streams["users"].api_count == report.streams["users"].our_count == there + 1
    assert not report.streams["users"].reconciliation.is_contradiction
    assert "users" not in account.differences()


def test_the_same_count_again_is_no_proof_that_nothing_moves(fresh: Callable[..., Account]) -> None:
    """Before each walk somebody goes, after it somebody comes: the API counts the same number for ever."""
    account = fresh(users=90, traps=Traps(refuse_id_filters=True))
    account.load("users", "coupons")
    people = iter([row["id"] for row in account.world.rows("users")])
    account.world.delete_user(next(people))
    walks: list[str] = []

    def swap(stage: str, _facts: object) -> None:
        if stage == "sweep":
            account.world.delete_user(next(people))
        elif walks and walks[-1] == "sweep":
            account.world.add_user(1)
        walks.append(stage)

    report = account.load("users", "coupons", progress=swap)
    assert walks.count("sweep") == 2
    assert report.differences[-1].startswith("in flight: users: total")
    account.load("users", "coupons")
    assert "users" not in account.differences()
