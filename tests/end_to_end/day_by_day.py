"""An account on its second and third day, a directory that was synced on the first, and the expected data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.sandbox import Sandbox
from tests.kills.forks import run_referrals

SOURCE = "SOURCES__REFERRAL_FACTORY__"
USERS = """
select
    user_id, campaign_id, referrer_id, first_name, email, code, source, joined_at, is_qualified, qualified_at,
    is_unsubscribed, unsubscribed_at, reach, referrals_count, url, meta, sharing, deleted_at is null
from core.users order by user_id
"""
# without the times of the syncs, which are not what is compared
LEDGER = "select * exclude (sync_at, previous_sync_at, until_sync_at) from marts.reward_ledger order by all"
Published = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


@dataclass(slots=True)
class DayByDay:
    """Servers of the second and the third day (by number), and the directory that was synced on the first.

    ``models`` is the folder of models of all syncs but those in another environment.
    """

    folder: Path
    models: Path
    servers: dict[int, Sandbox] = field(default_factory=dict)
    expected: dict[int, Published] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        return self.folder / "data"

    def copy(self, target: Path) -> Path:
        """A copy of the directory that was synced on the first day."""
        shutil.copytree(self.directory, target, symlinks=True)
        return target

    def sync(
        self, server: Sandbox, directory: Path | str, changes: Mapping[str, str] | None = None,
        home: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """``referrals sync`` as a process, in an environment that is empty but for our own settings and ``changes``.

        ``home`` is its home directory and its working directory.
        """
        home = home or self.folder
        environ = {
            "PATH": os.environ["PATH"], "HOME": str(home), "XDG_STATE_HOME": str(self.folder / "machine"),
            f"{SOURCE}API_TOKEN": server.token, f"{SOURCE}BASE_URL": server.base_url,
            f"{SOURCE}CALLS_PER_MINUTE": "0", "WAREHOUSE__DIR": str(directory),
        }  # fmt: skip
        if changes is None:
            return run_referrals(["sync"], environ, home, self.models)
        return subprocess.run(  # dlt reads some variables while it is imported
            [sys.executable, "-m", "referral_warehouse", "sync"], env=dict(changes or {}) | environ, cwd=home,
            text=True, capture_output=True, timeout=300, check=False,
        )  # fmt: skip

    def assert_right(self, directory: Path, day: int) -> None:
        """Compare what is published with what syncs in a clean environment have published."""
        users, ledger = published(directory)
        assert users == self.expected[day][0]
        assert ledger == self.expected[day][1]


def published(directory: Path) -> Published:
    """The published users and reward ledger."""
    with duckdb.connect(str(directory / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(USERS).fetchall(), connection.execute(LEDGER).fetchall()


@contextmanager
def day_by_day(folder: Path, models: Path) -> Iterator[DayByDay]:
    """Sync the account's first day, serve the next two, and find out what is right on them."""
    account = DayByDay(folder, models)
    world = folder / "world.sqlite3"
    with Sandbox(world, users=60, seed=3, calls_per_minute=0) as server:
        _succeed(account.sync(server, account.directory))
        server.advance(days=1)
    shutil.copy(world, folder / "later.sqlite3")
    with (
        Sandbox(world, calls_per_minute=0) as second,
        Sandbox(folder / "later.sqlite3", calls_per_minute=0) as third,
    ):
        third.advance(days=1)
        account.servers.update({2: second, 3: third})
        clean = account.copy(folder / "clean")
        for day, server in account.servers.items():
            _succeed(account.sync(server, clean))
            account.expected[day] = published(clean)
        rows = [len(ledger) for _, ledger in account.expected.values()]
        assert 0 < rows[0] < rows[1], "the days must hold something to see"
        yield account


def _succeed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
