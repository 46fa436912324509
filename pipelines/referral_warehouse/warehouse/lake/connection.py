"""Attaches the lake of the settings as ``lake`` in a new connection, and creates the lake where there is none.

Knows how each kind of catalog and data is attached in DuckDB; knows no table.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import register_secret
from referral_warehouse.settings.lake_target import POSTGRES, SQLITE
from referral_warehouse.sql_quoting import literal
from referral_warehouse.warehouse.connection import physical_memory_mb, thread_count
from referral_warehouse.warehouse.lake.extensions import load_extensions, needed_extensions
from referral_warehouse.warehouse.lake.faults import explained

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings
    from referral_warehouse.settings.lake_target import LakeCatalog

METADATA = "__ducklake_metadata_lake"
"""What DuckDB calls the catalog's own tables of a lake that is attached as ``lake``."""
MISSING = "creating a new DuckLake is explicitly disabled"
KEEPALIVE = {"connect_timeout": "10", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
WAIT_FOR_READERS_MS = 30_000
LARGEST_MEMORY_MB = 1_000
"""Without a limit, DuckDB keeps all that it has read of a snapshot in memory."""
KEY, SECRET, SESSION = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"


@contextmanager
def open_lake(settings: Settings, *, create: bool = False) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A connection with the lake attached as ``lake``, for the length of a ``with``; None where there is none yet.

    Args:
        settings: catalog and data of the lake.
        create: create the lake where there is none; WAREHOUSE__LAKE_DATA must be empty then.

    Raises: ConfigurationError, LakeUnavailable.
    """
    connection = bare_connection(settings)
    try:
        with explained(settings, "The lake cannot be opened"):
            add_secrets(connection, settings)
            if not _is_there(connection, settings):
                _refuse_used_data(connection, settings)
                if not create:
                    yield None
                    return
                connection.execute(_attach(settings, create=True))
        yield connection
    finally:
        connection.close()


def _is_there(connection: duckdb.DuckDBPyConnection, settings: Settings) -> bool:
    """Attach the lake, if there is one. A file that is missing is not opened: a scanner would create it."""
    import duckdb

    path = None if settings.lake_catalog is None else settings.lake_catalog.path
    if path is not None and path.parent.is_dir() and not path.exists():
        return False
    try:
        connection.execute(_attach(settings, create=False))
    except duckdb.InvalidInputException as error:
        if MISSING not in str(error):
            raise
        return False
    return True


def bare_connection(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A connection with the extensions that the lake needs and nothing attached. Raises: ConfigurationError."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": str(thread_count(settings.load_path)),
        "memory_limit": f"{min(LARGEST_MEMORY_MB, physical_memory_mb() // 2)}MB",
        "temp_directory": "",
    }
    connection = duckdb.connect(":memory:", config=config)
    try:
        load_extensions(connection, needed_extensions(settings))
        connection.execute("set timezone = 'UTC'")
    except BaseException:
        connection.close()
        raise
    return connection


def end_transaction(connection: duckdb.DuckDBPyConnection) -> None:
    """Roll back an open transaction. Otherwise DuckDB aborts the process if PostgreSQL was lost in a transaction."""
    import duckdb

    try:
        connection.execute("rollback")
    except duckdb.Error:
        return  # there is none, or it ended with its connection


def add_secrets(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Give a connection the password of the catalog and the keys of the bucket. Raises: ConfigurationError."""
    catalog, data = settings.lake_catalog, settings.lake_data
    if catalog is not None and catalog.password is not None:
        connection.execute(f"create secret (type postgres, password {literal(catalog.password.reveal())})")
    if data is not None and data.folder is None:
        connection.execute(f"create secret (type s3, {_s3_parts()})")


def postgres_address(catalog: LakeCatalog, **more: str) -> str:
    """The connection string that DuckDB attaches a catalog in PostgreSQL with, without the password."""
    return catalog.connection_text(**KEEPALIVE, **more)


def data_path(settings: Settings) -> str:
    """WAREHOUSE__LAKE_DATA as DuckDB writes it: with a slash at its end."""
    return f"{settings.lake_data}/"


def _attach(settings: Settings, *, create: bool) -> str:
    catalog = settings.lake_catalog
    if catalog is None:
        raise ConfigurationError("WAREHOUSE__LAKE_CATALOG is not set.", "docs/lake.md has examples.")
    options = [f"data_path {literal(data_path(settings))}", "data_inlining_row_limit 0"]
    options.append(f"create_if_not_exists {str(create).lower()}")
    if catalog.kind == POSTGRES:
        address = f"{POSTGRES}:{postgres_address(catalog)}"
    elif catalog.kind == SQLITE:
        address = f"{SQLITE}:{catalog.path}"
        options += ["meta_journal_mode 'WAL'", f"meta_busy_timeout {WAIT_FOR_READERS_MS}"]
    else:
        address = str(catalog.path)
    return f"attach {literal(f'ducklake:{address}')} as lake ({', '.join(options)})"


def _refuse_used_data(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Refuse data that is not empty for a new lake: files there would be removed as orphaned. Creates the folder.

    Raises: ConfigurationError, and DuckDB's errors where a bucket cannot be listed.
    """
    data = settings.lake_data
    if data is not None and data.folder is not None:
        data.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_used = any(data.folder.iterdir())
    else:
        is_used = bool(connection.execute("select 1 from glob(?) limit 1", [f"{data_path(settings)}**"]).fetchone())
    if is_used:
        raise ConfigurationError(
            f"{data} is not empty, and {settings.lake_catalog} has no lake yet.",
            "Set WAREHOUSE__LAKE_DATA to an empty folder or prefix, or WAREHOUSE__LAKE_CATALOG to the catalog of that "
            "data.",
        )


def _s3_parts() -> str:
    """The parts of DuckDB's secret, from the usual variables of the environment. Raises: ConfigurationError."""
    parts = {"key_id": os.environ.get(KEY, ""), "secret": os.environ.get(SECRET, "")}
    if not all(parts.values()):
        raise ConfigurationError(
            f"WAREHOUSE__LAKE_DATA is a bucket, and {KEY} and {SECRET} are not both set.",
            "Set them in the environment; a lake does not read profiles of AWS.",
        )
    parts["session_token"] = os.environ.get(SESSION, "")
    for secret in (parts["secret"], parts["session_token"]):
        register_secret(secret)
    parts["region"] = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    found = [f"{name} {literal(value)}" for name, value in parts.items() if value]
    if endpoint:
        url = urlsplit(endpoint)
        if url.scheme not in ("http", "https") or not url.hostname or url.username or url.password:
            raise ConfigurationError(
                "AWS_ENDPOINT_URL must be an http or https address without a user name and password.",
                "Write it as in https://storage.example.com:9000.",
            )
        found += [
            f"endpoint {literal(url.netloc)}",
            "url_style 'path'",
            f"use_ssl {str(url.scheme == 'https').lower()}",
        ]
    return ", ".join(found)
