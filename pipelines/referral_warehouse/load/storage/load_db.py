"""The private load file: one connection for a whole run, and the questions the loader asks of it.

dlt loads through the same connection (it takes the file once, not once a package). Knows no HTTP. Raw tables are
named by their stream; ``raw.runs`` and ``raw.run_streams`` belong to runlog.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from referral_warehouse.display_text import display_text
from referral_warehouse.errors import AnotherSyncRunning, ConfigurationError, LoadFileDamaged, ReferralsError, causes
from referral_warehouse.load.records.schema import FETCHED_AT, ROW_VERSION
from referral_warehouse.workspace.disk_space import no_room
from referral_warehouse.workspace.file_kinds import kind_of, refuse_lockless, refuse_other_kinds, set_aside

MEMORY_LIMIT = "160MB"  # with one thread: a second one costs memory and, at the size of a slice, saves no time
DATASET = "raw"
# As the models have it: at the same moment, reappearing wins.
IS_GONE = (
    "max(observed_at) filter (where what = 'vanished') "
    "> coalesce(max(observed_at) filter (where what = 'reappeared'), timestamp '0001-01-01')"
)
QUARANTINE = f"{DATASET}.quarantine"
_LOG_LOST = "{log} could not be replayed and is now {aside}; what it held beyond load.duckdb is read from the API again"
SMALLEST_FILE = 3 * 4096
"""Bytes that DuckDB writes before anything can be in a file; less is what a kill left of making it."""


class LoadFile:
    """``load.duckdb``, opened for writing. Use as a context manager: it also says what DuckDB's errors inside mean.

    ``recovered`` says in words what had to be put aside before it could be opened.
    Raises: AnotherSyncRunning when another program has it open; LoadFileDamaged when it is not a readable DuckDB file,
    or a part of it is not; ConfigurationError when something else has its name, or this user may not open it; NoRoom
    when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.recovered: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        refuse_other_kinds(path, "the load file")
        if _was_never_made(path):
            path.unlink()
        # DuckDB makes the file, its log and its spill itself: none of them is anybody else's, not even for a moment.
        self._umask_before = os.umask(0o077)
        try:
            self.connection = self._connect(path)
        except BaseException:
            os.umask(self._umask_before)
            raise
        path.chmod(0o600)
        self.connection.execute("set TimeZone = 'UTC'")

    def _connect(self, path: Path) -> duckdb.DuckDBPyConnection:
        """Open the file; where its log cannot be replayed, without it: what the log held is read from the API again."""
        log = path.with_name(f"{path.name}.wal")
        if kind_of(log) not in (None, "a file"):
            self.recovered.append(_LOG_LOST.format(log=log, aside=set_aside(log).name))
        try:
            return _connect(path)
        except LoadFileDamaged as damaged:
            if kind_of(log) is None:
                raise
            aside = set_aside(log)
            try:
                connection = _connect(path)
            except BaseException:
                aside.rename(log)
                raise damaged from None
            self.recovered.append(_LOG_LOST.format(log=log, aside=aside.name))
            return connection

    def damage_behind(self, error: BaseException) -> ReferralsError | None:
        """What an error that comes from a damaged load file means; None for any other error."""
        found = [cause for cause in causes(error) if isinstance(cause, duckdb.Error) and _names_damage(cause)]
        if not found or not any(self._path.name in str(cause) or "orrupt" in str(cause) for cause in found):
            return None
        return _unreadable(self._path, found[-1])

    def __enter__(self) -> LoadFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.connection.close()
        except duckdb.Error as closing:
            error = error or closing
        finally:
            os.umask(self._umask_before)
        meaning = _meaning(self._path, error) if isinstance(error, duckdb.Error) else None
        if meaning is not None:
            raise meaning from error

    def tables(self) -> set[str]:
        """The names of the raw tables there are."""
        found = self.connection.execute(
            "select table_name from information_schema.tables where table_schema = ?", [DATASET]
        ).fetchall()
        return {name for (name,) in found}

    def has_rows(self, table: str) -> bool:
        """Whether a raw table holds any row."""
        return self.connection.execute(f"select 1 from {DATASET}.{table} limit 1").fetchone() is not None

    def row_count(self, table: str) -> int:
        """How many rows a raw table holds."""
        row = self.connection.execute(f"select count(*) from {DATASET}.{table}").fetchone()
        return int(row[0]) if row else 0

    def without_unchanged(self, table: str, rows: pa.Table) -> pa.Table:
        """The rows that are new or differ from the stored ones in any column but the time of fetching."""
        if rows.num_rows == 0:
            return rows
        span = pc.min_max(rows.column("id"))
        within = f"id between {span['min'].as_py()} and {span['max'].as_py()}"
        # most slices of a first load hold new ids only; the blocks' own minima and maxima answer that at once
        if self.connection.execute(f"select 1 from {DATASET}.{table} where {within} limit 1").fetchone() is None:
            return rows
        compared = [name for name in rows.column_names if name not in ("id", FETCHED_AT)]
        differs = " or ".join(f'batch."{c}"::varchar is distinct from stored."{c}"::varchar' for c in compared)
        self.connection.register("batch", rows)
        try:
            changed = self.connection.execute(
                f"select batch.id from batch left join (from {DATASET}.{table} where {within}) as stored "
                f"on batch.id = stored.id where stored.id is null or {differs}"
            ).to_arrow_table()
        finally:
            self.connection.unregister("batch")
        return rows.filter(pc.is_in(rows.column("id"), changed.column("id").combine_chunks()))

    def active_versions(self, table: str) -> dict[int, str]:
        """id → row version of the current rows of a history table."""
        found = self.connection.execute(
            f"select id, {ROW_VERSION} from {DATASET}.{table} where _dlt_valid_to is null"
        ).fetchall()
        return dict(found)

    def last_boundary(self, table: str) -> datetime | None:
        """The newest validity time of a history table (naive UTC)."""
        row = self.connection.execute(
            f"select greatest(max(_dlt_valid_from), max(_dlt_valid_to)) at time zone 'UTC' from {DATASET}.{table}"
        ).fetchone()
        return row[0] if row else None

    def vanished_ids(self, stream: str) -> set[int]:
        """The ids of a stream that carry a tombstone: their latest observation is that they were gone."""
        found = self.connection.execute(
            f"select id from {DATASET}.observations where stream = ? group by id having {IS_GONE}",
            [stream],
        ).fetchall()
        return {identifier for (identifier,) in found}

    def live_ids_missing_from(self, table: str, seen: Sequence[pa.Array], gone: Iterable[int]) -> list[int]:
        """The ids of a current table that are neither among ``seen`` nor already known to be gone."""
        self.connection.register("seen", pa.table({"id": pa.chunked_array(seen, pa.int64())}))
        self.connection.register("gone", pa.table({"id": pa.array(list(gone), pa.int64())}))
        try:
            found = self.connection.execute(
                f"select id from {DATASET}.{table} where id not in (from seen) and id not in (from gone) order by id"
            ).fetchall()
        finally:
            self.connection.unregister("seen")
            self.connection.unregister("gone")
        return [identifier for (identifier,) in found]

    def open_quarantine(self) -> list[tuple[str, str, str]]:
        """Stream, record id and key of the rows in quarantine that were not read since."""
        names = {
            column
            for (column,) in self.connection.execute(f"select column_name from (describe {QUARANTINE})").fetchall()
        }
        unread = "where resolved_at is null" if "resolved_at" in names else ""  # older files lack the column
        return self.connection.execute(f"select stream, record_id, key from {QUARANTINE} {unread}").fetchall()

    def quarantined(self, key: str) -> dict[str, Any]:
        """A row in quarantine, whole."""
        found = self.connection.execute(f"from {QUARANTINE} where key = ?", [key])
        names = [column[0] for column in found.description or []]
        return dict(zip(names, found.fetchone() or (), strict=True))

    def live_count(self, stream: str, condition: str = "true") -> int:
        """How many rows of a stream whose table holds the current row of each id we have, without those gone there."""
        row = self.connection.execute(
            f"with gone as (select id from {DATASET}.observations where stream = ? group by id having {IS_GONE}) "
            f"select count(*) from {DATASET}.{stream} where ({condition}) and id not in (from gone)",
            [stream],
        ).fetchone()
        return int(row[0]) if row else 0

    def live_ids(self, stream: str, condition: str) -> list[int]:
        """The ids of those rows; the condition may go on with an order and a limit."""
        found = self.connection.execute(
            f"with gone as (select id from {DATASET}.observations where stream = ? group by id having {IS_GONE}) "
            f"select id from {DATASET}.{stream} where id not in (from gone) and {condition}",
            [stream],
        ).fetchall()
        return [identifier for (identifier,) in found]

    def column(self, sql: str, parameters: Sequence[object] = ()) -> list[object]:
        """The first column of a query on the raw tables."""
        return [row[0] for row in self.connection.execute(sql, parameters).fetchall()]


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(
            str(path), config={"memory_limit": MEMORY_LIMIT, "threads": 1, "preserve_insertion_order": False}
        )
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            refuse_lockless(path)
            raise AnotherSyncRunning(
                f"{path} is open in another program.", "Close it there; analysts read warehouse.duckdb instead."
            ) from None
        if re.search("Permission denied|not permitted|Read-only file system", str(error)):
            raise ConfigurationError(
                f"{path} cannot be opened: {_first_line(error)}.",
                f"Give this user the right to read and write {path}, and run the same command again.",
            ) from None
        raise _meaning(path, error) or _unreadable(path, error) from None
    except duckdb.Error as error:
        raise _unreadable(path, error) from None


def _meaning(path: Path, error: BaseException) -> ReferralsError | None:
    """What a database error says about the file; None for any other."""
    full = no_room(error, f"{path} could not be written")
    if full is not None:
        return full
    return _unreadable(path, error) if _names_damage(error) else None


def _names_damage(error: BaseException) -> bool:
    return re.search("not a valid DuckDB|corrupt|could not read", str(error), re.IGNORECASE) is not None


def _was_never_made(path: Path) -> bool:
    """Whether a kill left the beginning of a file that DuckDB was making; nothing can be in it."""
    if not path.is_file() or path.stat().st_size >= SMALLEST_FILE:
        return False
    beginning = path.read_bytes()[:12]
    return not beginning or beginning[8:] == b"DUCK"


def _unreadable(path: Path, error: BaseException) -> LoadFileDamaged:
    return LoadFileDamaged(f"{path} is not a readable load file: {_first_line(error)}.")


def _first_line(error: BaseException) -> str:
    return display_text(str(error).partition("\n")[0])
