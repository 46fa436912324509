"""Settings: environment and ``.dlt/*.toml`` become one frozen object; the token is masked in every repr.

Names and places are dlt's own conventions (environment first, then ``.dlt/secrets.toml``, ``.dlt/config.toml``, then
the same files in ``~/.dlt``), read here without importing dlt so that every command starts fast.
"""

from __future__ import annotations

import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.errors import ConfigurationError

DEFAULT_BASE_URL = "https://referral-factory.com/api/v1"
SOURCE_SECTION = ("sources", "referral_factory")
WAREHOUSE_SECTION = ("warehouse",)
SWITCHES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class Token:
    """The API token; shows itself only through ``reveal()``, so no repr, log or traceback can carry it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Token(***)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a token is never pickled")


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be configured. Paths are absolute; numbers are validated.

    Units: ``timeout_s`` seconds, ``overlap_days`` and ``sweep_every_days`` days, ``calls_per_minute`` requests.
    """

    api_token: Token | None = None
    base_url: str = DEFAULT_BASE_URL
    calls_per_minute: int = 540
    concurrency: int = 8
    overlap_days: int = 1
    timeout_s: float = 60.0
    sweep_every_days: int = 7
    slice_rows: int = 50_000
    coupon_names_file: Path | None = None
    simulated_time: bool = False
    warehouse_dir: Path = field(default_factory=lambda: Path("data").absolute())
    keep_snapshots: int = 5
    max_quarantine_percent: int = 1
    reward_units: tuple[tuple[str, str], ...] = ()
    """(reward type, unit), sorted: what values of a reward type are counted in. A type not named stands alone."""

    @property
    def load_path(self) -> Path:
        """The private load file; only the loader writes it."""
        return self.warehouse_dir / "load.duckdb"

    @property
    def warehouse_path(self) -> Path:
        """The link that readers open; it always points at the newest published snapshot."""
        return self.warehouse_dir / "warehouse.duckdb"

    @property
    def snapshots_dir(self) -> Path:
        return self.warehouse_dir / "snapshots"

    @property
    def feeds_dir(self) -> Path:
        return self.warehouse_dir / "feeds"

    @property
    def manifest_path(self) -> Path:
        return self.warehouse_dir / "manifest.json"

    @property
    def state_dir(self) -> Path:
        return self.warehouse_dir / "state"

    @property
    def is_loopback(self) -> bool:
        return is_loopback_url(self.base_url)


def is_loopback_url(url: str) -> bool:
    """Whether a URL's host is this machine (``localhost``, 127.0.0.0/8 or ::1)."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(
    environ: Mapping[str, str] | None = None, folder: Path | None = None, home: Path | None = None
) -> Settings:
    """Read the environment and the TOML files into Settings.

    Raises: ConfigurationError when a value cannot be read or would be unsafe.
    """
    environ = os.environ if environ is None else environ
    folder = Path.cwd() if folder is None else folder
    home = Path.home() if home is None else home
    files = [d / ".dlt" / name for d in (folder, home) for name in ("secrets.toml", "config.toml")]
    documents = [_read_toml(path) for path in files]

    def find(section: tuple[str, ...], key: str) -> Any:
        name = "__".join((*section, key)).upper()
        if name in environ and environ[name].strip() != "":
            return environ[name].strip()
        for document in documents:
            value: Any = document
            for part in (*section, key):
                value = value.get(part) if isinstance(value, dict) else None
            if value is not None and value != "":
                return value
        return None

    def number(section: tuple[str, ...], key: str, default: int, low: int, high: int) -> int:
        value = find(section, key)
        if value is None:
            return default
        name = "__".join((*section, key)).upper()
        try:
            parsed = int(str(value))
        except ValueError:
            raise ConfigurationError(f"{name} must be a whole number, not {value!r}.") from None
        if not low <= parsed <= high:
            raise ConfigurationError(f"{name} must be between {low} and {high}, not {parsed}.")
        return parsed

    def switch(section: tuple[str, ...], key: str) -> bool:
        value = find(section, key)
        text = str(value).lower()
        if value is not None and text not in SWITCHES:
            name = "__".join((*section, key)).upper()
            raise ConfigurationError(f"{name} must be true or false, not {value!r}.")
        return value is not None and SWITCHES[text]

    token = find(SOURCE_SECTION, "api_token")
    names_file = find(SOURCE_SECTION, "coupon_names_file")
    base_url = str(find(SOURCE_SECTION, "base_url") or DEFAULT_BASE_URL).rstrip("/")
    settings = Settings(
        api_token=Token(str(token)) if token is not None else None,
        base_url=base_url,
        calls_per_minute=number(SOURCE_SECTION, "calls_per_minute", 540, 0, 600),
        concurrency=number(SOURCE_SECTION, "concurrency", 8, 1, 64),
        overlap_days=number(SOURCE_SECTION, "overlap_days", 1, 1, 366),
        timeout_s=float(number(SOURCE_SECTION, "timeout_s", 60, 1, 600)),
        sweep_every_days=number(SOURCE_SECTION, "sweep_every_days", 7, 0, 3660),
        slice_rows=number(SOURCE_SECTION, "slice_rows", 50_000, 250, 1_000_000),
        coupon_names_file=(folder / str(names_file)).absolute() if names_file else None,
        simulated_time=switch(SOURCE_SECTION, "simulated_time"),
        warehouse_dir=(folder / str(find(WAREHOUSE_SECTION, "dir") or "data")).absolute(),
        keep_snapshots=number(WAREHOUSE_SECTION, "keep_snapshots", 5, 1, 10_000),
        max_quarantine_percent=number(WAREHOUSE_SECTION, "max_quarantine_percent", 1, 0, 100),
        reward_units=_parse_units(find(WAREHOUSE_SECTION, "reward_units")),
    )
    _refuse_unsafe(settings)
    return settings


def _parse_units(value: Any) -> tuple[tuple[str, str], ...]:
    """A TOML table, or the JSON object that stands for one in the environment, as dlt reads dictionaries there."""
    name = "WAREHOUSE__REWARD_UNITS"
    if value is None:
        return ()
    try:
        units = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        units = None
    if not isinstance(units, dict):
        raise ConfigurationError(
            f"{name} is no table of reward types and units.",
            """Write it as JSON, {"Amazon Voucher": "EUR"}, or as the table [warehouse.reward_units].""",
        )
    found: dict[str, str] = {}
    for reward_type, unit in units.items():
        key = str(reward_type).strip()
        if not key or key in found or not isinstance(unit, str) or not unit.strip():
            raise ConfigurationError(
                f"{name} must give every reward type one unit, once and in words; {reward_type!r} has none."
            )
        if unit.strip().startswith("type:"):
            raise ConfigurationError(f"{name} must not use {unit!r}: such units are those of types that none is given.")
        found[key] = unit.strip()
    return tuple(sorted(found.items()))


def _refuse_unsafe(settings: Settings) -> None:
    parts = urlsplit(settings.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"SOURCES__REFERRAL_FACTORY__BASE_URL is not a web address: {settings.base_url!r}.")
    if parts.username or parts.password:
        raise ConfigurationError("SOURCES__REFERRAL_FACTORY__BASE_URL must not contain a user name or password.")
    if parts.scheme == "http" and not settings.is_loopback:
        raise ConfigurationError(
            f"SOURCES__REFERRAL_FACTORY__BASE_URL must use https (plain http would show the token to everyone): "
            f"{settings.base_url}."
        )
    if settings.calls_per_minute == 0 and not settings.is_loopback:
        raise ConfigurationError(
            "SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE=0 (no limit) is allowed for a server on this machine only."
        )
    if settings.simulated_time and not settings.is_loopback:
        raise ConfigurationError(
            "SOURCES__REFERRAL_FACTORY__SIMULATED_TIME=true (the server's Date counts, however far from this machine's "
            "clock) is allowed for a server on this machine only."
        )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = type(error).__name__ if isinstance(error, tomllib.TOMLDecodeError) else error
        raise ConfigurationError(f"{path} cannot be read: {reason}.") from None
