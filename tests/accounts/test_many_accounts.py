"""Twelve accounts, more than are synced at once: each is published row by row, also where some of them fail.

make soak ARGS='-k many_accounts'     # two minutes
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from tests.account_server import AccountServer, user
from tests.accounts.conftest import Run, environ_of, planted, rows
from tests.accounts.test_published_together import differences

pytestmark = pytest.mark.full
COUNTED = "select account, count(*) from core.users group by all order by all"


@pytest.fixture
def servers() -> Iterator[dict[str, AccountServer]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(AccountServer(planted(name, number + 2)))
            for number, name in enumerate(f"shop{letter}" for letter in "abcdefghijkl")
        }


@pytest.fixture
def environ(servers: dict[str, AccountServer], tmp_path: Path) -> dict[str, str | None]:
    """The variables of twelve accounts, in place of those of two."""
    return environ_of(tmp_path, **servers)


def test_each_of_twelve_accounts_is_published_row_by_row(
    together: Settings, referrals: Run, servers: dict[str, AccountServer]
) -> None:
    done = referrals("sync")
    assert done.code == 0, done.err
    expected = {name: len(server.lists["users"]) for name, server in servers.items()}
    assert rows(together.warehouse_path, COUNTED) == sorted(expected.items())
    assert differences(together) == []

    for name in ("shopc", "shopk"):
        servers[name].lists["users"].append(user(99))
        expected[name] += 1
    for name in ("shopa", "shopl"):
        servers[name].lists["users"].append(user(99))
        servers[name].errors["users"] = servers[name].errors["campaigns"] = (401, b'{"message": "Unauthenticated."}')
    done = referrals("sync")
    assert done.code == 3
    assert "2 of 12 accounts could not be synced." in done.err
    assert rows(together.warehouse_path, COUNTED) == sorted(expected.items()), "shopa and shopl have their last data"
    failed = rows(together.warehouse_path, "select account from ops.accounts where last_error is not null order by all")
    assert failed == [("shopa",), ("shopl",)]
    assert differences(together) == []
