"""Loads DuckDB's extensions from the packages that bring them; nothing is ever downloaded.

Knows where a package keeps its file, and that it fits one version of DuckDB only.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.lake_target import POSTGRES, SQLITE
from referral_warehouse.sql_quoting import literal

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings

DUCKLAKE, HTTPFS = "ducklake", "httpfs"
SCANNERS = {POSTGRES: "postgres_scanner", SQLITE: "sqlite_scanner"}
"""The extension that reads a kind of catalog; DuckDB reads its own."""


def needed_extensions(settings: Settings) -> list[str]:
    """The names of the extensions that the lake of some settings needs."""
    kind = "" if settings.lake_catalog is None else settings.lake_catalog.kind
    names = [DUCKLAKE, *([SCANNERS[kind]] if kind in SCANNERS else [])]
    return [*names, HTTPFS] if settings.lake_data is not None and settings.lake_data.folder is None else names


def extension_file(name: str) -> Path:
    """The file of an extension for the DuckDB that runs.

    Raises: ConfigurationError when its package is not installed, or is for another version of DuckDB.
    """
    import duckdb

    spec = find_spec(f"duckdb_extension_{name}")
    package = f"duckdb-extension-{name.replace('_', '-')}"
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            f"WAREHOUSE__STORAGE is ducklake, which needs the package {package}, and that is not installed.",
            "Run: pip install 'referral-warehouse[lake]'",
        )
    folder = Path(spec.origin).parent / "extensions"
    path = folder / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not path.is_file():
        found = ", ".join(sorted(one.name.removeprefix("v") for one in folder.glob("v*"))) or "unknown"
        raise ConfigurationError(
            f"The package {package} is for DuckDB {found}, and DuckDB {duckdb.__version__} is installed.",
            f"Run: pip install '{package}=={duckdb.__version__}'",
        )
    return path


def load_extensions(connection: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    """Load extensions into a connection. Raises: ConfigurationError when one is missing or cannot be loaded."""
    import duckdb

    for name in names:
        path = extension_file(name)
        try:
            connection.execute(f"load {literal(path)}")
        except duckdb.Error as error:
            line = str(error).strip().partition("\n")[0]
            raise ConfigurationError(
                f"DuckDB cannot load {path}: {line}", "Run: pip install --force-reinstall 'referral-warehouse[lake]'"
            ) from error
