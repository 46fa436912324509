"""Ids at the limits of 64 bits are counted like all others: a row that no count holds would look lost for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipelines.load.values import INT64
from tests.load.accounts import Account

FIRST_ID, LAST_ID = INT64


@pytest.mark.parametrize("identifier", [FIRST_ID, FIRST_ID + 1, -(2**62), -1, 0, 2**62 + 1, LAST_ID - 1, LAST_ID])
def test_a_row_may_have_any_id(identifier: int, fresh: Callable[..., Account]) -> None:
    account = fresh(users=30)
    for table in ("users", "issued"):
        account.tamper(f"update {table} set id = ? where id = (select max(id) from {table})", identifier)
    for options in ({}, {}, {"sweep": True}):
        account.load(**options)
        assert account.differences() == {}
    assert account.query(f"select count(*) from raw.users where id = {identifier}") == [(1,)]
    assert account.query(f"select count(*) from raw.rewards_issued where id = {identifier}") == [(1,)]
