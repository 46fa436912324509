"""Rewrites published snapshots without personal values: the only change to files that are read-only otherwise.

The database becomes a new file, so that no free block keeps an old value; feeds and manifest follow, each replaced as a
whole, so that readers see the old file or the new one. A rewriting that was killed is repeated. Knows which columns are
personal, not why they change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.rewritten_database import copy_changed_rows, copy_rows, empty_copy
from referral_warehouse.sql_quoting import identifier
from referral_warehouse.warehouse.exports import Feed, write_feeds
from referral_warehouse.warehouse.manifest import read_manifest, write_manifest
from referral_warehouse.warehouse.models import load_models
from referral_warehouse.warehouse.personal import PUBLISHED
from referral_warehouse.warehouse.published_files import remember_published
from referral_warehouse.warehouse.snapshots import access_of, snapshot_numbers
from referral_warehouse.workspace.current_snapshot import DATABASE, FEEDS, MANIFEST, current_number, folder_name
from referral_warehouse.workspace.durable_files import sync_file
from referral_warehouse.workspace.file_kinds import remove_or_raise

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from referral_warehouse.settings import Settings

    Change = Callable[[str, "pa.Table"], "pa.Table"]

WORK = ".rewriting"
FORMER_PERSONAL = dict.fromkeys(
    ("core.rewards_due", "core.rewards_issued"), ("recipient_first_name", "recipient_email")
)
"""Personal columns that snapshots of earlier versions have."""
CHECKS, QUARANTINE = "ops.checks", "ops.quarantine"
QUOTED = "reason=[^,]*:.*$"
"""What examples of checks quoted of records in the quarantine, in snapshots of earlier versions."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was rewritten of a snapshot; ``fingerprint`` is a digest of all other values, equal before and afterwards.

    ``directory`` is that of the snapshots.
    """

    snapshot: int
    directory: str
    tables: tuple[str, ...]
    fingerprint: str


class SnapshotChanged(Exception):
    """A rewriting that would have changed more than personal columns; the snapshot is as it was."""


def rewrite_snapshots(settings: Settings, change: Change, reason: str) -> tuple[list[Rewritten], dict[int, Exception]]:
    """Rewrite the personal columns of every kept snapshot; the caller holds the lock of the warehouse.

    Args:
        settings: where the snapshots are.
        change: makes the new rows of a published table that has personal columns; it gets some at a time.
        reason: why, for the manifests.

    Returns: what was rewritten, and why the others could not be, by number; those are as they were.
    Raises: OSError where nothing can be written.
    """
    import duckdb

    folder = settings.snapshots_dir / WORK
    rewritten: list[Rewritten] = []
    failures: dict[int, Exception] = {}
    for number in snapshot_numbers(settings):
        remove_or_raise(folder)
        if (settings.snapshots_dir / folder_name(number) / DATABASE).is_file():
            folder.mkdir(mode=0o700)
            try:
                rewritten.append(_rewrite(settings, number, folder, change, reason))
            except (SnapshotChanged, duckdb.Error, OSError) as error:
                failures[number] = error
    remove_or_raise(folder)
    return rewritten, failures


def personal_tables() -> dict[str, tuple[str, ...]]:
    """The published tables that have, or had, personal columns, with these columns."""
    found = {m.qualified_name: tuple(m.personal) for m in load_models() if m.is_published and m.personal}
    return {name: (*columns, *FORMER_PERSONAL.get(name, ())) for name, columns in found.items()}


def _rewrite(settings: Settings, number: int, work: Path, change: Change, reason: str) -> Rewritten:
    folder = settings.snapshots_dir / folder_name(number)
    database, manifest = folder / DATABASE, read_manifest(folder / MANIFEST)
    with empty_copy(database, work / DATABASE) as connection:
        changed = _copy(connection, change)
        before, after = fingerprint(connection, "old"), fingerprint(connection, "new")
        if before != after:
            raise SnapshotChanged(f"snapshot {number} would have changed beyond personal columns")
        connection.execute("checkpoint new")
        has_values = _has_personal_feeds(manifest)
        in_feeds = [name for name in changed if has_values or name in (CHECKS, QUARANTINE)]
        hidden = {} if has_values else personal_tables()
        (work / FEEDS).mkdir(mode=0o700)
        feeds = write_feeds(connection, "new", work / FEEDS, hidden, only=in_feeds)
    for source, target in [(work / DATABASE, database), *((_feed(work, f), _feed(folder, f)) for f in feeds)]:
        access_of(settings).frozen_file(source)
        sync_file(source)
        source.replace(target)
        sync_file(target.parent)
    if manifest is not None:
        _note(settings, folder, manifest, feeds, reason)
    return Rewritten(number, str(settings.published_dir), tuple(changed), after)


def _copy(connection: duckdb.DuckDBPyConnection, change: Change) -> list[str]:
    """Copy the tables; returns the names of those whose rows were made anew."""
    personal = personal_tables()
    changed = []
    for schema, table in connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'old' and not internal order by all"
    ).fetchall():
        name, place = f"{schema}.{table}", f"{identifier(schema)}.{identifier(table)}"
        if name == CHECKS:
            changed += _copy_checks(connection, place)
            continue
        if name not in personal:
            copy_rows(connection, place)
            continue
        changed.append(name)
        copy_changed_rows(connection, place, partial(change, name))
    return changed


def _copy_checks(connection: duckdb.DuckDBPyConnection, place: str) -> list[str]:
    """Copy the results of checks without quoted records; returns the table where there were some."""
    found = connection.execute(f"select count(*) from old.{place} where regexp_matches(example, '{QUOTED}')").fetchone()
    connection.execute(
        f"insert into new.{place} select * replace (regexp_replace(example, '{QUOTED}', '') as example) "
        f"from old.{place}"
    )
    return [CHECKS] if found and found[0] else []


def fingerprint(connection: duckdb.DuckDBPyConnection, catalog: str) -> str:
    """A digest of every row of a published database without its personal columns: counts, amounts, ids and times."""
    personal = personal_tables()
    sums: list[str] = []
    for name, columns in _columns(connection, catalog).items():
        left_out = ("example",) if name == CHECKS else personal.get(name, ())
        if name == QUARANTINE:
            left_out = (*left_out, "record_id")  # a text in the place of an id may be personal
        kept = [identifier(column) for column in columns if column not in left_out]
        row = connection.execute(
            f"select count(*), coalesce(sum(hash({', '.join(kept)})::hugeint), 0) from {catalog}.{name}"
        ).fetchone()
        sums.append(f"{name} {row}")
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _columns(connection: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "select schema_name || '.' || table_name, column_name from duckdb_columns() where database_name = ? "
        "and not internal order by schema_name, table_name, column_index",
        [catalog],
    ).fetchall():
        found.setdefault(table, []).append(column)
    return found


def _has_personal_feeds(manifest: dict[str, Any] | None) -> bool:
    """Whether the feeds of a snapshot have personal values, as those of earlier versions."""
    return manifest is None or manifest.get("personal_columns", PUBLISHED) == PUBLISHED


def _feed(folder: Path, feed: Feed) -> Path:
    return folder / FEEDS / feed.file_name


def _note(settings: Settings, folder: Path, manifest: dict[str, Any], feeds: list[Feed], reason: str) -> None:
    """Give the manifest of a snapshot, and the public one, the checksums of rewritten feeds, and say why.

    The number of rewritings makes each manifest differ from the one before, also where no feed has changed: copies of
    the database elsewhere, such as a lake, are known by the checksum of the manifest.
    """
    access = access_of(settings)
    count = int(manifest.get("rewritings", 0)) + 1
    sums = {feed.table: f"sha256:{feed.sha256}" for feed in feeds}

    def noted(document: dict[str, Any]) -> dict[str, Any]:
        tables = {
            name: {**table, "checksum": sums.get(name, table["checksum"])} for name, table in document["tables"].items()
        }
        return {**document, "tables": tables, "rewritten": reason, "rewritings": count}

    write_manifest(folder / MANIFEST, noted(manifest), access, is_frozen=True)
    public = read_manifest(settings.manifest_path)
    if public is not None and public["snapshot"] == manifest["snapshot"]:
        write_manifest(settings.manifest_path, noted(public), access)
    if current_number(settings.published_dir) == manifest["snapshot"]:
        remember_published(settings, manifest["snapshot"])
