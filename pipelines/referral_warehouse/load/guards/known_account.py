"""Campaigns and users of a directory's account: from the load file, or from the published data.

The load file comes first. If it was lost or has neither campaigns nor users, the published snapshot is used, and where
that is locked or damaged, the feeds. Knows the tables of both; sends no request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.load.guards.marks import Marks, campaign_marks, user_marks
from referral_warehouse.load.storage.stored_rows import DATASET, StoredRows
from referral_warehouse.settings import Settings
from referral_warehouse.sql_quoting import literal, parquet_rows
from referral_warehouse.workspace.current_snapshot import current_number, database_name, feeds_name

RunQuery = Callable[[str], list[tuple[Any, ...]]]
IN_LOAD_FILE = {
    "campaigns": f"select id, code, url from {DATASET}.campaigns",
    "users": f"select id, campaign_id, code, email from {DATASET}.users",
}
PUBLISHED = {
    "campaigns": "select campaign_id as id, code, url from {table}",
    "users": "select user_id as id, campaign_id, code, email from {table}",
}


class KnownAccount:
    """Campaigns and users of a directory. Close it, or use it as a context manager."""

    def __init__(self, stored: StoredRows, settings: Settings) -> None:
        self._connections: list[duckdb.DuckDBPyConnection] = []
        self._run_query: RunQuery = lambda sql: stored.connection.execute(sql).fetchall()
        self._tables = IN_LOAD_FILE
        if self.is_empty:
            self._use_published(settings)

    def __enter__(self) -> KnownAccount:
        return self

    def __exit__(self, *_error: object) -> None:
        for connection in self._connections:
            connection.close()

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a campaign nor a user."""
        return not self._has("campaigns") and not self.has_users

    @property
    def has_users(self) -> bool:
        """Whether any user is known, also a deleted one."""
        return self._has("users")

    @cached_property
    def campaigns(self) -> dict[int, Marks]:
        """Marks of each campaign by id, of all versions, also of deleted campaigns."""
        found: dict[int, Marks] = {}
        for identifier, code, url in self._run_query(self._tables["campaigns"]):
            found[identifier] = found.get(identifier, Marks()) | campaign_marks({"code": code, "url": url})
        return found

    def users(self, ids: Iterable[int]) -> dict[int, Marks]:
        """Marks of the known ones among some users, by id."""
        listed = ",".join(str(identifier) for identifier in ids if abs(identifier) < 2**63)
        if not listed:
            return {}
        rows = self._run_query(f"from ({self._tables['users']}) where id in ({listed})")
        return {
            identifier: user_marks({"campaign_id": campaign_id, "code": code, "email": email})
            for identifier, campaign_id, code, email in rows
        }

    def some_users(self) -> list[int]:
        """The ids of up to three users: the first, one in the middle and the last."""
        [(least, middle, most)] = self._run_query(
            f"select min(id), quantile_disc(id, 0.5), max(id) from ({self._tables['users']})"
        )
        return sorted({least, middle, most} - {None})

    def _has(self, table: str) -> bool:
        return bool(self._run_query(f"from ({self._tables[table]}) limit 1"))

    def _use_published(self, settings: Settings) -> None:
        """Use the published snapshot, or else its feeds; change nothing where neither can be read."""
        number = current_number(settings.published_dir)
        if number is None:
            return
        feeds = settings.published_dir / feeds_name(number)

        def feed(name: str) -> str:
            return parquet_rows(literal(feeds / f"core.{name}.parquet"))

        sources: list[tuple[Path | None, Callable[[str], str]]] = [
            (settings.published_dir / database_name(number), "core.{}".format),
            (None, feed),
        ]
        for path, table in sources:
            tables = {name: sql.format(table=table(name)) for name, sql in PUBLISHED.items()}
            try:
                connection = duckdb.connect(str(path) if path else ":memory:", read_only=path is not None)
                self._connections.append(connection)
                for sql in tables.values():
                    connection.execute(f"from ({sql}) limit 1")
            except duckdb.Error:
                continue
            self._run_query = lambda sql, opened=connection: opened.execute(sql).fetchall()  # type: ignore[misc]
            self._tables = tables
            return
