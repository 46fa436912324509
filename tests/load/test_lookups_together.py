"""Lookups that do not depend on each other are sent together: batches, names, counts, ranges of ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.load.runner import LoadReport, load
from referral_warehouse.settings import Settings, Token
from tests.account_server import small_account, user
from tests.load.held_server import (
    Gate,
    HeldServer,
    account_with_coupons,
    is_count_of_users,
    is_name,
    is_range_of_users,
)

Sync = Callable[..., LoadReport]
NOT_BY_NAME = "some coupons lack fields and are not found by their names: what was read earlier of them is kept"


@pytest.fixture
def served(tmp_path: Path) -> Callable[[HeldServer], Sync]:
    def against(server: HeldServer) -> Sync:
        settings = Settings(
            api_token=Token("together-test-token"), base_url=server.base_url, calls_per_minute=0,
            warehouse_dir=tmp_path / "data", refresh_calls=0,
        )  # fmt: skip
        return lambda **changes: load(replace(settings, **changes), ("users", "coupons"))

    return against


@contextmanager
def batches(tmp_path: Path) -> Iterator[list[tuple[int, str]]]:
    with duckdb.connect(str(tmp_path / "data" / "load.duckdb"), read_only=True) as connection:
        yield connection.execute("select id, name from raw.coupon_batches order by id").fetchall()


def test_the_batches_of_a_slice_are_requested_together_and_once(
    served: Callable[[HeldServer], Sync], tmp_path: Path
) -> None:
    lists, coupons = account_with_coupons(batches=100, users=200)
    with HeldServer(lists) as server:
        server.coupons = coupons
        server.gates = [gate := Gate(is_name, [100])]
        sync = served(server)
        sync()
        assert gate.alone == []
        assert sorted(server.names) == sorted(f"C{number}" for number in range(1, 101)), "one name for each batch"
        server.requests.clear()
        sync(sweep_every_days=1)
        assert server.names == [], "a known batch is never requested again"
    with batches(tmp_path) as found:
        assert found == [(number, f"Batch {number}") for number in range(1, 101)]


def test_further_names_are_tried_only_for_the_batches_whose_first_one_failed(
    served: Callable[[HeldServer], Sync], tmp_path: Path
) -> None:
    lists, coupons = account_with_coupons(batches=20, users=100)
    for batch in range(1, 11):
        del coupons[f"C{batch}"]  # the first name of ten batches
    for batch in range(1, 4):
        del coupons[f"C{batch + 20}"]  # and the second one of three
    for number in (1, 21, 41, 61, 81):
        coupons.pop(f"C{number}", None)  # nothing names batch 1
    with HeldServer(lists) as server:
        server.coupons = coupons
        server.gates = [gate := Gate(is_name, [20, 10, 3])]
        report = served(server)()
    assert gate.alone == []
    assert gate.is_done
    assert len(server.names) == len(set(server.names)) == 33
    assert report.streams["coupons"].notes == ["the name of coupon batch 1 could not be requested"]
    with batches(tmp_path) as found:
        assert [identifier for identifier, _ in found] == list(range(2, 21))


def test_slices_share_what_is_known_and_what_was_tried(served: Callable[[HeldServer], Sync], tmp_path: Path) -> None:
    lists, coupons = account_with_coupons(batches=3, users=750)
    coupons = {name: row for name, row in coupons.items() if name != "C1" and row["batch_id"] != 3}
    for row in lists["users"][1:250]:
        if row["coupon"]["batch_id"] == 1:
            del row["coupon"]  # the first slice has one coupon of batch 1, which is not found by its name
    with HeldServer(lists) as server:
        server.coupons = coupons
        report = served(server)(slice_rows=250)
        assert sorted(server.names) == ["C1", "C2", "C253", "C3", "C6", "C9"], "three names in a run that find nothing"
    assert report.streams["coupons"].notes == ["the name of coupon batch 3 could not be requested"]
    with batches(tmp_path) as found:
        assert [identifier for identifier, _ in found] == [1, 2]


def test_coupons_that_lack_fields_are_completed_together(served: Callable[[HeldServer], Sync], tmp_path: Path) -> None:
    lists, coupons = account_with_coupons(batches=5, users=60, without=["used_at", "batch_id"])
    with HeldServer(lists) as server:
        server.coupons = coupons
        server.gates = [gate := Gate(is_name, [60])]
        served(server)()
    assert gate.alone == []
    assert gate.is_done, "the batches came with the coupons: no further name is requested"
    with batches(tmp_path) as found:
        assert len(found) == 5


def uses(tmp_path: Path) -> list[tuple[int, int | None, str | None]]:
    """Each coupon with its user, and the month of its use."""
    with duckdb.connect(str(tmp_path / "data" / "load.duckdb"), read_only=True) as connection:
        return connection.execute(
            "select id, referral_id, strftime(used_at, '%m') from raw.coupons order by id"
        ).fetchall()


def test_a_coupon_takes_nothing_from_one_whose_name_differs_in_case(
    served: Callable[[HeldServer], Sync], tmp_path: Path
) -> None:
    lists, coupons = account_with_coupons(batches=1, users=3, without=["used_at", "referral_id"])
    coupons["C1"]["used_at"] = "2026-02-01T10:00:00Z"
    coupons["C3"]["used_at"] = "2026-03-01T10:00:00Z"
    lists["users"][1]["coupon"]["name"] = "c1"
    coupons["c1"] = coupons["C1"]  # databases often compare text without case
    with HeldServer(lists) as server:
        server.coupons = coupons
        report = served(server)()
    assert uses(tmp_path) == [(1, 1, "02"), (2, 2, None), (3, 3, "03")]
    assert report.streams["coupons"].notes == [NOT_BY_NAME]


def test_a_coupon_that_is_not_found_by_its_name_any_more_keeps_what_was_read(
    served: Callable[[HeldServer], Sync], tmp_path: Path
) -> None:
    lists, coupons = account_with_coupons(batches=1, users=2, without=["used_at"])
    coupons["C1"]["used_at"] = coupons["C2"]["used_at"] = "2026-02-01T10:00:00Z"
    with HeldServer(lists) as server:
        server.coupons = coupons
        sync = served(server)
        assert sync().streams["coupons"].notes == []
        del coupons["C1"]
        coupons["C2"]["used_at"] = None
        report = sync(sweep_every_days=0)
    assert uses(tmp_path) == [(1, 1, "02"), (2, 2, None)]
    assert report.streams["coupons"].notes == [NOT_BY_NAME]


def test_counts_ranges_and_released_coupons_are_requested_together(served: Callable[[HeldServer], Sync]) -> None:
    """Two people far from each other are deleted: halving takes a count each in every round, reading a page each."""
    lists = small_account(0)
    lists["users"] = [user(number, referrer_id=None, coupon=None) for number in range(1, 6_001)]
    lists["rewards/due"], lists["rewards/issued"] = [], []
    coupons = {}
    for number in (1_000, 5_000):
        coupon = {"id": number, "name": f"C{number}", "batch_id": 1, "issued_at": None, "used_at": None}
        coupons[f"C{number}"] = {**coupon, "referral_id": None, "batch": {"id": 1, "name": "B", "campaign_id": 1}}
        lists["users"][number - 1]["coupon"] = {**coupon, "referral_id": number}
    with HeldServer(lists) as server:
        server.coupons = coupons
        server.gates = [first := Gate(is_count_of_users, [3])]
        sync = served(server)
        sync()
        assert first.alone == []
        assert first.is_done
        lists["users"] = [row for row in lists["users"] if row["id"] not in (1_000, 5_000)]
        server.gates = [
            counts := Gate(is_count_of_users, [3, 1, 2, 2, 2, 2, 3]),
            ranges := Gate(is_range_of_users, [2]),
            names := Gate(is_name, [2]),
        ]
        report = sync()
    assert report.streams["users"].reconciliation.repair.vanished == 2
    assert not report.swept
    assert (counts.alone, ranges.alone, names.alone) == ([], [], [])
    assert counts.is_done
    assert ranges.is_done
    assert names.is_done
