"""Settings: environment and ``.dlt/*.toml`` become one frozen object; the token is masked in every repr.

Names and places are dlt's own conventions (environment first, then ``.dlt/secrets.toml``, ``.dlt/config.toml``, then
the same files in ``~/.dlt``), read here without importing dlt so that every command starts fast. Where values come
from is known by ``settings_sources``, what they may be by ``settings_values`` and ``base_url``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import register_secret
from referral_warehouse.settings.base_url import (
    DEFAULT_BASE_URL,
    checked_base_url,
    is_loopback_url,
    refuse_redirected_token,
)
from referral_warehouse.settings.reward_units import reward_units
from referral_warehouse.settings.sources import SettingSources, home_folder, variable, working_folder
from referral_warehouse.settings.unit_terms import expires_after_days, refuse_expiry_without_use, settles_on
from referral_warehouse.settings.values import path_text, switch, text, whole_number
from referral_warehouse.workspace.directories import STATE, absolute_path, warehouse_directory

__all__ = [
    "DEFAULT_BASE_URL",
    "Settings",
    "Token",
    "checked_base_url",
    "checked_settings",
    "is_loopback_url",
    "load_settings",
    "refuse_unlimited_calls",
]

SOURCE_SECTION = ("sources", "referral_factory")
WAREHOUSE_SECTION = ("warehouse",)
WAREHOUSE_DIR = "WAREHOUSE__DIR"
NAMES_FILE = "SOURCES__REFERRAL_FACTORY__COUPON_NAMES_FILE"
SOURCE_NUMBERS = {
    "calls_per_minute": (0, 600),
    "concurrency": (1, 64),
    "overlap_days": (1, 366),
    "timeout_s": (1, 600),
    "sweep_every_days": (0, 3660),
    "issued_lookback_days": (0, 3660),
    "refresh_calls": (0, 10_000),
    "slice_rows": (250, 1_000_000),
}
"""Numbers below ``sources.referral_factory``: smallest and largest value."""


class Token:
    """The API token; shown only by ``reveal()``: its repr hides it, and log records and tracebacks are redacted."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register_secret(value)

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

    Units: ``timeout_s`` seconds, ``calls_per_minute`` requests, names that end in ``_days`` days.
    """

    api_token: Token | None = None
    base_url: str = DEFAULT_BASE_URL
    calls_per_minute: int = 540
    concurrency: int = 8
    overlap_days: int = 1
    timeout_s: float = 60.0
    sweep_every_days: int = 7
    issued_lookback_days: int = 35
    refresh_calls: int = 20
    slice_rows: int = 50_000
    coupon_names_file: Path | None = None
    simulated_time: bool = False
    warehouse_dir: Path = field(default_factory=lambda: Path("data").absolute())
    keep_snapshots: int = 5
    max_quarantine_percent: int = 1
    max_vanished_percent: int = 20
    reward_units: tuple[tuple[str, str], ...] = ()
    """(reward type, unit), sorted: what values of a reward type are counted in. A type not named stands alone."""
    settles_on: tuple[tuple[str, str], ...] = ()
    """(unit, issue or use), sorted: when rewards of a unit are no longer owed. A unit not named is settled on issue."""
    expires_after_days: tuple[tuple[str, int], ...] = ()
    """(unit, days), sorted: after how many days unused rewards of a unit expire. A unit not named never expires."""
    warnings: tuple[str, ...] = ()
    """Sentences on the files that settings are read from: not readable and therefore skipped, or readable by others."""

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
        return self.warehouse_dir / STATE

    @property
    def is_loopback(self) -> bool:
        return is_loopback_url(self.base_url)


def load_settings(
    environ: Mapping[str, str] | None = None, folder: Path | None = None, home: Path | None = None
) -> Settings:
    """Read the environment and the TOML files into Settings.

    Raises: ConfigurationError when a value cannot be read or would be unsafe.
    """
    folder = working_folder() if folder is None else folder
    home = home_folder() if home is None else home
    environ = os.environ if environ is None else environ
    sources = SettingSources(environ, folder, home)

    def find(section: tuple[str, ...], key: str) -> Any:
        found = sources.find(section, key)
        return None if found is None else found.value

    defaults: dict[str, Any] = {spec.name: spec.default for spec in fields(Settings)}

    def number(section: tuple[str, ...], key: str, low: int, high: int) -> int:
        value = find(section, key)
        return int(defaults[key]) if value is None else whole_number(variable(section, key), value, low, high)

    def path(section: tuple[str, ...], key: str) -> str | None:
        value = find(section, key)
        return None if value is None else path_text(variable(section, key), value)

    names_file, directory = path(SOURCE_SECTION, "coupon_names_file"), path(WAREHOUSE_SECTION, "dir")
    token, base_url = (sources.find(SOURCE_SECTION, key) for key in ("api_token", "base_url"))
    simulated = find(SOURCE_SECTION, "simulated_time")
    token_text = None if token is None else text(variable(SOURCE_SECTION, "api_token"), token.value)
    url = DEFAULT_BASE_URL if base_url is None else text(variable(SOURCE_SECTION, "base_url"), base_url.value)
    numbers = {key: number(SOURCE_SECTION, key, low, high) for key, (low, high) in SOURCE_NUMBERS.items()}
    settings = Settings(
        api_token=None if token_text is None else Token(token_text),
        base_url=checked_base_url(url),
        calls_per_minute=numbers["calls_per_minute"],
        concurrency=numbers["concurrency"],
        overlap_days=numbers["overlap_days"],
        timeout_s=float(numbers["timeout_s"]),
        sweep_every_days=numbers["sweep_every_days"],
        issued_lookback_days=numbers["issued_lookback_days"],
        refresh_calls=numbers["refresh_calls"],
        slice_rows=numbers["slice_rows"],
        coupon_names_file=None if names_file is None else absolute_path(NAMES_FILE, names_file, folder),
        simulated_time=simulated is not None and switch(variable(SOURCE_SECTION, "simulated_time"), simulated),
        warehouse_dir=warehouse_directory(WAREHOUSE_DIR, directory or "data", folder, environ.get(WAREHOUSE_DIR)),
        keep_snapshots=number(WAREHOUSE_SECTION, "keep_snapshots", 1, 10_000),
        max_quarantine_percent=number(WAREHOUSE_SECTION, "max_quarantine_percent", 0, 100),
        max_vanished_percent=number(WAREHOUSE_SECTION, "max_vanished_percent", 0, 100),
        reward_units=reward_units(variable(WAREHOUSE_SECTION, "reward_units"), find(WAREHOUSE_SECTION, "reward_units")),
        settles_on=settles_on(variable(WAREHOUSE_SECTION, "settles_on"), find(WAREHOUSE_SECTION, "settles_on")),
        expires_after_days=expires_after_days(
            variable(WAREHOUSE_SECTION, "expires_after_days"), find(WAREHOUSE_SECTION, "expires_after_days")
        ),
        warnings=tuple(sources.warnings),
    )
    refuse_redirected_token(token, base_url)
    _refuse_unsafe(settings)
    _refuse_skipped_files(sources)
    return settings


def checked_settings(settings: Settings) -> Settings:
    """Settings that a program made itself, if they are safe.

    Raises: ConfigurationError when the token would be sent without encryption, a number is out of its range, or a
        server on another machine would be called without a limit or with a simulated clock.
    """
    settings = replace(settings, base_url=checked_base_url(settings.base_url))
    for key, (low, high) in SOURCE_NUMBERS.items():
        value = getattr(settings, key)
        whole_number(key, int(value) if isinstance(value, float) and value.is_integer() else value, low, high)
    _refuse_unsafe(settings)
    return settings


def refuse_unlimited_calls(settings: Settings) -> None:
    """Raises: ConfigurationError where calls to another machine are not limited."""
    if settings.calls_per_minute == 0 and not settings.is_loopback:
        raise ConfigurationError(
            "SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE=0 (no limit) is allowed for a server on this machine only."
        )


def _refuse_unsafe(settings: Settings) -> None:
    refuse_unlimited_calls(settings)
    refuse_expiry_without_use(settings.settles_on, settings.expires_after_days)
    if settings.simulated_time and not settings.is_loopback:
        raise ConfigurationError(
            "SOURCES__REFERRAL_FACTORY__SIMULATED_TIME=true (the server's Date counts, however far from this machine's "
            "clock) is allowed for a server on this machine only."
        )


def _refuse_skipped_files(sources: SettingSources) -> None:
    if sources.skipped_here and sources.find(WAREHOUSE_SECTION, "dir") is None:
        raise ConfigurationError(
            f"{sources.skipped_here[0]} cannot be read, and it may say which directory the warehouse is in.",
            "Make it readable for this user, or set WAREHOUSE__DIR in the environment.",
        )
