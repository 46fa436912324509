"""Continuity: a publication never knows less of the past than the one before, unless somebody says that it may.

When rewards fell due is known from our own looks at the list alone; no API gives it back. A load file that was lost
and read anew, or restored from an old backup, holds fewer of those looks. Knows drafts and snapshots, not models.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.errors import HistoryLost
from pipelines.warehouse.files import quote

if TYPE_CHECKING:
    import duckdb

    from pipelines.settings import Settings

FIRST_POSSIBLE = datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC
"""This software did not exist before: an earlier look was dated by a wrong clock, and sync corrects it."""
LOOKS = """
select count(*) as looks_count, min(observed_at) as first_at
from (
    select run_id, max(observed_at) as observed_at
    from {catalog}.ops.run_streams
    group by run_id
    having bool_or(stream = 'rewards_due' and is_complete) and bool_or(stream = 'rewards_issued')
)
"""


@dataclass(frozen=True, slots=True)
class Looks:
    """How often both reward lists were seen, and when first (the server's time, naive UTC)."""

    count: int
    first_at: datetime | None

    def __str__(self) -> str:
        times = "1 sync" if self.count == 1 else f"{self.count:,} syncs"
        return f"{times} since {self.first_at:%Y-%m-%d %H:%M}" if self.first_at else "no sync at all"


def refuse_shorter_history(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Hold the looks at the reward lists in the draft against those in the published snapshot.

    Raises: HistoryLost when the draft has fewer, or its first one is later.
    """
    if not settings.warehouse_path.exists():
        return
    connection.execute(f"attach {quote(settings.warehouse_path.resolve())} as published (read_only)")
    try:
        before, now = _looks(connection, "published"), _looks(connection, "draft")
    finally:
        connection.execute("detach published")
    if before is None or now is None or before.first_at is None:
        return
    is_later = now.first_at is None or now.first_at > before.first_at >= FIRST_POSSIBLE
    if is_later or now.count < before.count:
        raise HistoryLost(
            f"The load file knows less of the past than what is published: {now} of both reward lists instead of "
            f"{before}."
        )


def _looks(connection: duckdb.DuckDBPyConnection, catalog: str) -> Looks | None:
    """None where a snapshot of an older version does not tell."""
    import duckdb

    try:
        row = connection.execute(LOOKS.format(catalog=catalog)).fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return Looks(int(row[0]), row[1]) if row else None
