"""A warehouse directory that real ``referrals`` processes fill from a small account, and queries on its files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import duckdb

from tests.end_to_end.small_api import SmallApi
from tests.kills.forks import Ended, Forks

PREFIX = "SOURCES__REFERRAL_FACTORY__"
LIVE = {
    "campaigns": "core.campaigns where deleted_at is null",
    "rewards": "core.rewards where deleted_at is null",
    "users": "core.users where deleted_at is null",
    "rewards/due": "core.rewards_due",
    "rewards/issued": "core.rewards_issued where deleted_at is null",
    "coupons": "core.coupons where deleted_at is null",
}


class SmallWarehouse:
    """``data`` is the directory; ``api`` is the server that its commands read from."""

    def __init__(self, forks: Forks, api: SmallApi, folder: Path) -> None:
        self.api = api
        self.data = folder / "data"
        self._forks = forks
        self._folder = folder

    def run(self, *arguments: str, **settings: str) -> Ended:
        """A command; ``settings`` are further environment variables."""
        return self._run(arguments, settings)

    def killed(self, at: int, *arguments: str, pattern: str = "", **settings: str) -> Ended:
        """A command that is killed before its ``at``-th tick of a pattern."""
        return self._run(arguments, settings, at=at, pattern=pattern)

    def _run(self, arguments: tuple[str, ...], settings: dict[str, str], **interruption: Any) -> Ended:
        kept = {
            name: value for name, value in os.environ.items()
            if not name.upper().endswith("_PROXY") and not name.startswith(("SOURCES__", "WAREHOUSE__", "PRIVACY__"))
        }  # fmt: skip
        own = {
            "HOME": str(self._folder), "XDG_STATE_HOME": str(self._folder / "machine"),
            "WAREHOUSE__DIR": str(self.data), f"{PREFIX}API_TOKEN": "a-token", f"{PREFIX}CALLS_PER_MINUTE": "0",
            f"{PREFIX}BASE_URL": self.api.base_url,
        }  # fmt: skip
        return self._forks.run(self.data, arguments, kept | own | settings, **interruption)

    def sync(self, *options: str, **settings: str) -> Ended:
        """``referrals sync``; the calls of this run alone are in ``api.calls`` afterwards."""
        self.api.calls.clear()
        return self.run("sync", *options, **settings)

    def published(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the published snapshot."""
        with duckdb.connect(str(self.data / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def live(self) -> dict[str, int]:
        """How many records of each stream are published and not marked as deleted."""
        return {name: int(self.published(f"select count(*) from {table}")[0][0]) for name, table in LIVE.items()}

    def damage(self, *statements: str) -> None:
        """Execute statements that damage the load file."""
        with duckdb.connect(str(self.data / "load.duckdb")) as connection:
            connection.execute("set timezone = 'UTC'")
            for statement in statements:
                connection.execute(statement)

    def loaded(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the load file."""
        with duckdb.connect(str(self.data / "load.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def lose(self, *names: str) -> None:
        """Remove files or folders of the directory."""
        for path in map(self.data.joinpath, names):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
