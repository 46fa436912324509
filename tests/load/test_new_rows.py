"""Rows whose ids are larger than all stored ones are inserted without being staged, exactly once whatever happens."""

from __future__ import annotations

import os
import signal
from unittest.mock import patch

import pytest

from referral_warehouse.load.batch import LoadBatch
from referral_warehouse.load.records.coercion import coerce
from referral_warehouse.load.registry import TABLES
from referral_warehouse.load.storage.dlt_destination import _InsertParquet
from referral_warehouse.load.storage.dlt_resources import batch_source
from tests.load.accounts import Account
from tests.load.test_load_pipeline import LATER, load_twice, opened


def users(account: Account, names: dict[int, str]) -> LoadBatch:
    """A package of users with these first names, by id."""
    like = account.world.rows("users")[0]
    rows = [{**like, "id": identifier, "first_name": name} for identifier, name in names.items()]
    batch = LoadBatch()
    batch.add(TABLES["users"], coerce(TABLES["users"], rows, LATER, "users").table)
    return batch


NAMES = "select id, first_name from raw.users where id > 1000 order by all"
PACKAGES = [
    ({2_000: "a", 2_001: "b"}, 0),  # larger than all ids before: not staged
    ({2_002: "c"}, 0),
    ({2_001: "d", 2_003: "e"}, 2),
    ({1_500: "f"}, 1),  # new, but among known ids
    ({2_004: "g", 2_005: "h"}, 0),
    ({2_005: "i"}, 1),
]


def test_only_packages_of_larger_ids_are_not_staged_and_all_are_exact(account: Account) -> None:
    wanted: dict[int, str] = {}
    for names, staged in PACKAGES:
        with opened(account) as pipeline:
            pipeline.commit(users(account, names))
        wanted |= names
        assert account.query(NAMES) == sorted(wanted.items())
        assert account.one("select count(*) from raw_staging.users") == staged


@pytest.mark.parametrize("is_inserted", [True, False], ids=["after the rows are in", "before"])
def test_a_kill_while_new_rows_are_inserted_loses_and_doubles_nothing(account: Account, is_inserted: bool) -> None:
    with opened(account) as pipeline:
        pipeline._pipeline.extract(batch_source(users(account, {2_000: "a", 2_001: "b"}), TABLES))
        pipeline._pipeline.normalize()
    child = os.fork()
    if child == 0:
        run = _InsertParquet.run

        def killed(job: _InsertParquet) -> None:
            if is_inserted:
                run(job)
            os.kill(os.getpid(), signal.SIGKILL)

        with patch.object(_InsertParquet, "run", killed), opened(account) as pipeline:
            pipeline.drain()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert account.query(NAMES) == ([(2_000, "a"), (2_001, "b")] if is_inserted else [])
    with opened(account) as pipeline:
        assert pipeline.drain()
    assert account.query(NAMES) == [(2_000, "a"), (2_001, "b")]


def test_new_rows_that_are_loaded_twice_count_once(account: Account) -> None:
    load_twice(account, users(account, {2_000: "a", 2_001: "b"}))
    assert account.query(NAMES) == [(2_000, "a"), (2_001, "b")]
