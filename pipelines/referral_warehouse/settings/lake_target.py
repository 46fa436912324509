"""Where a lake keeps its catalog: a database of PostgreSQL, or a file of SQLite or DuckDB for one machine.

The password is separated from the rest of an address, and no message repeats an address. Opens nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import register_secret
from referral_warehouse.settings.delivery_target import DeliveryTarget
from referral_warehouse.settings.sources import Found
from referral_warehouse.settings.token import Token
from referral_warehouse.settings.values import path_text
from referral_warehouse.workspace.directories import warehouse_directory

POSTGRES, SQLITE, DUCKDB = "postgres", "sqlite", "duckdb"
DUCKLAKE = "ducklake"
SUFFIXES = {".sqlite": SQLITE, ".sqlite3": SQLITE, ".duckdb": DUCKDB, ".ducklake": DUCKDB}
ADDRESS = re.compile(r"(postgres|postgresql):(.*)", re.DOTALL)
PARAMETER = re.compile(r"\s*([a-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']\S*)\s*", re.DOTALL)
PARAMETERS = frozenset({
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "host", "hostaddr",
    "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "options", "passfile", "port",
    "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert", "target_session_attrs", "tcp_user_timeout", "user",
})  # fmt: skip
"""Parameters of libpq that an address may have besides the password."""
SHAPE = (
    "Write it as in postgresql://user:password@host:5432/database, or as the path of a file that ends with .sqlite or "
    ".duckdb."
)


@dataclass(frozen=True, slots=True)
class LakeCatalog:
    """A catalog: ``path`` of a file, or else ``parameters`` of libpq (sorted, without the password)."""

    kind: str
    path: Path | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    password: Token | None = None

    @property
    def is_remote(self) -> bool:
        return self.path is None

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        hidden = (("password", "***"),) if self.password is not None else ()
        return f"{POSTGRES}:{_joined((*self.parameters, *hidden))}"

    def connection_text(self, **more: str) -> str:
        """The parameters as libpq reads them, without the password; ``more`` are added where they are not given."""
        return _joined(tuple({**more, **dict(self.parameters)}.items()))


@dataclass(frozen=True, slots=True)
class LakeCatalogKind:
    """The kind of a setting that is an address of PostgreSQL, or the path of a file of SQLite or DuckDB."""

    default: None = None
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> LakeCatalog:
        """The catalog. Raises: ConfigurationError when it is neither."""
        value = path_text(name, found.value)
        match = ADDRESS.fullmatch(value)
        if match is not None:
            is_url = match[2].startswith("//")
            given = _of_url(name, value) if is_url else _of_parameters(name, match[2])
            password = given.pop("password", None)
            if "dbname" not in given or "\0" in value:
                raise ConfigurationError(f"{name} names no database of PostgreSQL.", SHAPE)
            return LakeCatalog(
                POSTGRES, None, tuple(sorted(given.items())), None if password is None else Token(password)
            )
        if "://" in value or Path(value).suffix not in SUFFIXES:
            raise ConfigurationError(
                f"{name} is neither an address of PostgreSQL nor the path of a file that ends with one of "
                f"{', '.join(SUFFIXES)}.",
                SHAPE,
            )
        return LakeCatalog(SUFFIXES[Path(value).suffix], warehouse_directory(name, value, folder, found.given))


def refuse_incomplete_lake(storage: str, catalog: LakeCatalog | None, data: DeliveryTarget | None) -> None:
    """Raises: ConfigurationError where the storage is a lake and one of its two places is not given, or the catalog is
    in the folder of the data, where orphaned files are removed.
    """
    if storage != DUCKLAKE:
        return
    for name, value in (("WAREHOUSE__LAKE_CATALOG", catalog), ("WAREHOUSE__LAKE_DATA", data)):
        if value is None:
            raise ConfigurationError(
                f"WAREHOUSE__STORAGE is {DUCKLAKE}, and {name} is not set.",
                "Set WAREHOUSE__LAKE_CATALOG and WAREHOUSE__LAKE_DATA; docs/lake.md has examples.",
            )
    path, folder = (None if catalog is None else catalog.path), (None if data is None else data.folder)
    if path is not None and folder is not None and folder in path.parents:
        raise ConfigurationError(
            f"WAREHOUSE__LAKE_CATALOG ({path}) is inside WAREHOUSE__LAKE_DATA ({folder}).",
            "Use a file outside of that folder, such as lake.sqlite beside the folder lake.",
        )


def _of_url(name: str, value: str) -> dict[str, str]:
    """The parameters of a URL. Raises: ConfigurationError."""
    try:
        url = urlsplit(value)
        port = url.port
        if "@" in url.path:
            raise ValueError  # a part of the password would be taken for the database, and shown
    except ValueError:
        raise ConfigurationError(
            f"{name} is not a valid address.",
            f"{SHAPE} In a password, write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25.",
        ) from None
    if url.password:
        register_secret(url.password)  # as it is written in the address, besides what it stands for
    given = {
        "user": unquote(url.username or ""), "password": unquote(url.password or ""),
        "host": unquote(url.hostname or ""), "port": str(port or ""), "dbname": unquote(url.path.removeprefix("/")),
    }  # fmt: skip
    more = dict(parse_qsl(url.query, keep_blank_values=True))
    return _known(name, {key: text for key, text in {**given, **more}.items() if text})


def _of_parameters(name: str, text: str) -> dict[str, str]:
    """The parameters of a text such as ``host=db dbname=lake``. Raises: ConfigurationError."""
    given, position = {}, 0
    while position < len(text.rstrip()):
        match = PARAMETER.match(text, position)
        if match is None:
            raise ConfigurationError(f"{name} has something that is not parameter=value.", SHAPE)
        value = match[2]
        given[match[1]] = re.sub(r"\\(.)", r"\1", value[1:-1] if value.startswith("'") else value)
        position = match.end()
    return _known(name, given)


def _known(name: str, given: dict[str, str]) -> dict[str, str]:
    if unknown := sorted(set(given) - PARAMETERS - {"password"}):
        raise ConfigurationError(
            f"{name} has a parameter that is not known ({len(unknown)} in all).",
            f"Use parameters of libpq: password, {', '.join(sorted(PARAMETERS))}.",
        )
    return given


def _joined(parameters: tuple[tuple[str, str], ...]) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in parameters)


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w.*/@:,+-]+", value, re.ASCII):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
