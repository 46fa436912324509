"""DuckDB with its extension for HTTP, which is loaded from a package: nothing is downloaded."""

from __future__ import annotations

from importlib.resources import files

import duckdb


def connect_httpfs(url: str, token: str) -> duckdb.DuckDBPyConnection:
    """A connection that sends a token to one server."""
    connection = duckdb.connect()
    extension = files("duckdb_extension_httpfs") / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
    connection.execute(f"load '{extension}'")
    connection.execute(f"create secret (type http, bearer_token '{token}', scope '{url}')")
    return connection
