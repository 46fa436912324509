"""The lock of a lake: one process on any machine writes at a time. It is in the catalog, or beside the catalog's file.

A lock ends with the process or the connection that holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from referral_warehouse.errors import AnotherSyncRunning, ConfigurationError, LakeUnavailable
from referral_warehouse.settings.lake_target import POSTGRES
from referral_warehouse.sql_quoting import literal
from referral_warehouse.warehouse.lake.connection import (
    add_secrets,
    bare_connection,
    end_transaction,
    postgres_address,
)
from referral_warehouse.warehouse.lake.faults import explained
from referral_warehouse.workspace.file_locks import lock_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from referral_warehouse.settings import Settings

LOCK = "select pg_try_advisory_xact_lock(hashtextextended(''referral-warehouse lake'', 0)) as is_mine"
OPTIONS = "-c idle_in_transaction_session_timeout=0 -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 " \
    "-c tcp_keepalives_count=3"  # fmt: skip
"""The transaction that holds the lock is idle; the server detects a lost machine within a minute."""


@contextmanager
def lake_lock(settings: Settings) -> Iterator[Callable[[], None]]:
    """Lock the lake for the length of a ``with``.

    Yields: a function that raises LakeUnavailable if the lock was lost since, for example by a restart of PostgreSQL.
    Raises: AnotherSyncRunning when another process holds it; ConfigurationError, LakeUnavailable.
    """
    catalog = settings.lake_catalog
    if catalog is not None and catalog.kind == POSTGRES:
        yield from _postgres_lock(settings)
        return
    path = None if catalog is None else catalog.path
    if path is None:
        raise LakeUnavailable("There is no catalog to lock.")
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"WAREHOUSE__LAKE_CATALOG ({path}) is in a folder that does not exist.",
            f"Create {path.parent}, or set WAREHOUSE__LAKE_CATALOG to a file in another folder.",
        )
    with explained(settings, "The lake cannot be locked"):
        lock = lock_file(path.with_name(f"{path.name}.lock"))
    if lock is None:
        raise _taken(settings)
    try:
        yield lambda: None
    finally:
        lock.release()


def _postgres_lock(settings: Settings) -> Iterator[Callable[[], None]]:
    """A lock of PostgreSQL that ends with a transaction, which DuckDB keeps open on one connection."""
    import duckdb

    catalog = settings.lake_catalog
    if catalog is None:
        return
    connection = bare_connection(settings)
    try:
        with explained(settings, "The lake cannot be locked"):
            add_secrets(connection, settings)
            address = literal(postgres_address(catalog, options=OPTIONS))
            connection.execute(f"attach {address} as catalog_lock (type postgres, read_only)")
            connection.execute("begin")
            row = connection.execute(f"from postgres_query('catalog_lock', '{LOCK}')").fetchone()
        if row is None or not row[0]:
            raise _taken(settings)

        def refuse_lost_lock() -> None:
            try:
                connection.execute("from postgres_query('catalog_lock', 'select 1 as one')").fetchall()
            except duckdb.Error as error:
                raise LakeUnavailable(
                    f"The lock in {catalog} was lost: the connection ended.",
                    "Run the same command again; the next sync publishes there too.",
                ) from error

        yield refuse_lost_lock
    finally:
        end_transaction(connection)
        connection.close()


def _taken(settings: Settings) -> AnotherSyncRunning:
    return AnotherSyncRunning(f"Another sync is writing the lake of {settings.lake_catalog}.")
