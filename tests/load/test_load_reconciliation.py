"""Reconciliation: a change is never taken for a contradiction, nor a contradiction for a change, and repairs end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.api.pagination.paginator import Paginator
from referral_warehouse.errors import DataRefused
from referral_warehouse.load.reconcile.counts import Counts, Difference, RangeRepair
from referral_warehouse.load.reconcile.policy import FULL_READS, Reconciler
from referral_warehouse.load.reconcile.repair import Repair
from referral_warehouse.load.storage.stored_rows import StoredRows
from referral_warehouse.sandbox import Quirks
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.connection import draft_path
from tests.load.accounts import Account
from tests.sampling import sampled


def counts(api: int, local: int) -> Counts:
    return Counts(api, local, [Difference("users", "total", api, local)] if api != local else [])


class ChangingAccount:
    """The users of the API and those that are known locally; before each request some may come, go, or both."""

    def __init__(self, changes: Iterator[str], *, by_ids: bool) -> None:
        self.api = set(range(10))
        self.local = set(range(9))
        self._changes = changes
        self._by_ids = by_ids
        self._next = 10
        self.full_reads = 0

    def _change(self) -> None:
        what = next(self._changes, "")
        if "gone" in what:
            self.api.discard(min(self.api))
        if "new" in what:
            self.api.add(self._next)
            self._next += 1

    def compare(self) -> Counts:
        self._change()
        return counts(len(self.api), len(self.local))

    def read_all(self) -> Repair:
        self._change()
        repair = Repair(missing=len(self.api - self.local), vanished=len(self.local - self.api))
        self.local = set(self.api)
        self.full_reads += 1
        return repair

    def repair_ranges(self, _counts: Counts) -> RangeRepair:
        """Finds one difference at a time."""
        if not self._by_ids:
            return RangeRepair(Repair(), gave_up=True)
        self._change()
        differing = sorted(self.api ^ self.local)[:1]
        self.local ^= set(differing)
        return RangeRepair(Repair(changed=len(differing)))


class ContradictingAccount:
    """Counts one user more than any read finds."""

    def __init__(self) -> None:
        self.full_reads = 0

    def compare(self) -> Counts:
        return counts(11, 10)

    def repair_ranges(self, _counts: Counts) -> RangeRepair:
        return RangeRepair(Repair())

    def read_all(self) -> Repair:
        self.full_reads += 1
        return Repair(changed=1 if self.full_reads == 1 else 0)


@given(st.lists(st.sampled_from(["", "gone", "new", "gone and new"]), max_size=12), st.booleans())
def test_changes_are_never_refused_and_what_is_left_is_in_flight(changes: list[str], by_ids: bool) -> None:
    account = ChangingAccount(iter(changes), by_ids=by_ids)
    outcome = Reconciler(account).reconcile()
    if not outcome.in_flight:
        assert outcome.counts.total == len(account.local)
    assert account.full_reads <= FULL_READS


def test_one_full_read_is_enough_where_nothing_changes() -> None:
    account = ChangingAccount(iter(()), by_ids=False)
    outcome = Reconciler(account).reconcile()
    assert (outcome.in_flight, account.full_reads) == ([], 1)
    assert outcome.summary(None, 3).repaired_by == "sweep"


def test_a_count_that_no_full_read_confirms_is_a_contradiction() -> None:
    account = ContradictingAccount()
    outcome = Reconciler(account).reconcile()
    assert account.full_reads == FULL_READS
    assert outcome.summary(None, 5).is_contradiction
    with pytest.raises(DataRefused, match="without a change"):
        outcome.refuse_contradictions()


@pytest.mark.parametrize(
    "quirks", sampled([{}, {"refuse_id_filters": True}, {"ignore_filters": True, "ignore_per_page": True}], 1)
)
def test_a_server_that_counts_one_too_many_is_refused(
    account: Account, quirks: dict[str, Any], monkeypatch: pytest.MonkeyPatch, models_of: Callable[..., None]
) -> None:
    models_of("ops.reconciliation")
    count = Paginator.count
    monkeypatch.setattr(Paginator, "count", lambda self, query: (count(self, query) or 0) + (query.path == "users"))
    account.world.set_quirks(Quirks(**quirks))
    with pytest.raises(DataRefused, match="users: total: API reports"):
        account.load("users", "coupons")
    assert account.query("select what from raw.observations") == []
    monkeypatch.undo()
    account.load("users", "coupons")
    build(account.settings)
    with duckdb.connect(str(draft_path(account.settings)), read_only=True) as draft:
        logged = draft.execute(
            "select is_contradiction, api_count - our_count, differences_found like 'total: API reports%', "
            "calls_count > 0 "
            "from ops.reconciliation where stream = 'users' order by all desc"
        ).fetchall()
    assert logged[0] == (True, 1, True, True)
    assert {row[0] for row in logged[1:]} == {False}


def test_a_server_that_counts_beyond_the_bound_is_no_contradiction(
    fresh: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ignores filters, which cannot be detected on a list of one page; then a user joins above the bound."""
    account = fresh(users=60, quirks=Quirks(ignore_filters=True))
    there = len(account.world.rows("users"))
    largest_known_id = StoredRows.largest_known_id

    def and_somebody_joins(stored: StoredRows, table: str) -> int | None:
        found = largest_known_id(stored, table)
        if table == "users":
            account.world.add_user(1)
        return found

    monkeypatch.setattr(StoredRows, "largest_known_id", and_somebody_joins)
    report = account.load("users", "coupons")
    assert report.streams["users"].api_count == report.streams["users"].our_count == there + 1
    assert not report.streams["users"].reconciliation.is_contradiction
    assert "users" not in account.differences()


@pytest.mark.full
def test_the_same_count_again_is_no_proof_that_nothing_changes(fresh: Callable[..., Account]) -> None:
    """Before each read a user is deleted, after it one is added: the API always reports the same total."""
    account = fresh(users=90, quirks=Quirks(refuse_id_filters=True))
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
