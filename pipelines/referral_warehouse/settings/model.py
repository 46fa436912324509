"""The settings as one frozen object, and the combinations of values that are unsafe."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.base_url import checked_base_url, is_loopback_url
from referral_warehouse.settings.delivery_target import DeliveryTarget
from referral_warehouse.settings.lake_target import DUCKDB, DUCKLAKE, LakeCatalog, refuse_incomplete_lake
from referral_warehouse.settings.readers_group import ReadersGroup
from referral_warehouse.settings.table import default_of, numbers
from referral_warehouse.settings.token import Token
from referral_warehouse.settings.unit_terms import refuse_expiry_without_use
from referral_warehouse.settings.values import whole_number
from referral_warehouse.workspace.current_snapshot import DATABASE, FEEDS, MANIFEST, SNAPSHOTS
from referral_warehouse.workspace.directories import ACCOUNTS, STATE, warehouse_directory


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be configured. Paths are absolute; numbers are validated. Defaults are those of the table.

    Units: ``timeout_s`` seconds, ``calls_per_minute`` requests, names that end in ``_days`` days.
    """

    api_token: Token | None = None
    base_url: str = default_of("base_url")
    calls_per_minute: int = default_of("calls_per_minute")
    concurrency: int = default_of("concurrency")
    overlap_days: int = default_of("overlap_days")
    timeout_s: float = default_of("timeout_s")
    sweep_every_days: int = default_of("sweep_every_days")
    issued_lookback_days: int = default_of("issued_lookback_days")
    refresh_calls: int = default_of("refresh_calls")
    slice_rows: int = default_of("slice_rows")
    streams: tuple[str, ...] = ()
    """The streams that are loaded, sorted; all where it is empty."""
    coupon_names_file: Path | None = None
    simulated_time: bool = default_of("simulated_time")
    warehouse_dir: Path = field(default_factory=lambda: Path(default_of("warehouse_dir")).absolute())
    publish_dir: Path | None = None
    readers_group: ReadersGroup | None = None
    keep_snapshots: int = default_of("keep_snapshots")
    snapshot_grace_minutes: int = default_of("snapshot_grace_minutes")
    deliver_to: DeliveryTarget | None = None
    destinations: tuple[str, ...] = ()
    """Names of dlt destinations that get the tables of each publication."""
    dataset_name: str = default_of("dataset_name")
    storage: str = default_of("storage")
    lake_catalog: LakeCatalog | None = None
    lake_data: DeliveryTarget | None = None
    max_quarantine_percent: int = default_of("max_quarantine_percent")
    max_vanished_percent: int = default_of("max_vanished_percent")
    report: bool = default_of("report")
    publish_personal: bool = default_of("publish_personal")
    feeds_have_personal: bool = default_of("feeds_have_personal")
    agents_see_personal: bool = default_of("agents_see_personal")
    agents_token: Token | None = None
    privacy_mode: str = default_of("privacy_mode")
    privacy_fields: tuple[tuple[str, str], ...] = ()
    """(table.field, policy), sorted: policies of single fields instead of the mode."""
    privacy_key_file: Path | None = None
    privacy_on_delete: str = default_of("privacy_on_delete")
    privacy_grace_days: int = default_of("privacy_grace_days")
    privacy_retain_days: int = default_of("privacy_retain_days")
    privacy_quarantine_days: int = default_of("privacy_quarantine_days")
    privacy_log_days: int = default_of("privacy_log_days")
    serve_personal: bool = default_of("serve_personal")
    serve_token: Token | None = None
    reward_units: tuple[tuple[str, str], ...] = ()
    """(reward type, unit), sorted: what values of a reward type are counted in. A type not named is a unit of its
    own."""
    settles_on: tuple[tuple[str, str], ...] = ()
    """(unit, issue or use), sorted: when rewards of a unit are no longer owed. A unit not named is settled on issue."""
    expires_after_days: tuple[tuple[str, int], ...] = ()
    """(unit, days), sorted: after how many days unused rewards of a unit expire. A unit not named never expires."""
    warnings: tuple[str, ...] = ()
    """Sentences on the files that settings are read from: not readable and therefore skipped, or readable by others."""
    files: tuple[Path, ...] = ()
    """The TOML files that values were taken from."""
    is_directory_relative: bool = False
    """Whether another working directory would mean another ``warehouse_dir``."""
    accounts: tuple[str, ...] = ()
    """The names of all accounts; none where there is one without a name."""
    accounts_at_once: int = default_of("accounts_at_once")
    account: str = ""
    """The account that these settings are of; empty for all together, or where there are no names."""
    together: Settings | None = None
    """The settings of all accounts together, which are published in one place; None where these are not of one."""

    @property
    def load_path(self) -> Path:
        """The private load file; only the loader writes it."""
        return self.warehouse_dir / "load.duckdb"

    @property
    def published_dir(self) -> Path:
        """The directory of what is published; its own one, or that of the deployment."""
        return self.publish_dir or self.warehouse_dir

    @property
    def warehouse_path(self) -> Path:
        """The link that readers open; it always points at the newest published snapshot."""
        return self.published_dir / DATABASE

    @property
    def snapshots_dir(self) -> Path:
        return self.published_dir / SNAPSHOTS

    @property
    def feeds_dir(self) -> Path:
        """The link to the feeds of the newest published snapshot."""
        return self.published_dir / FEEDS

    @property
    def manifest_path(self) -> Path:
        return self.published_dir / MANIFEST

    @property
    def state_dir(self) -> Path:
        return self.warehouse_dir / STATE

    @property
    def unit_terms(self) -> dict[str, list[str | int | None]]:
        """Unit → [``issue`` or ``use``, days until unused rewards expire or None], for the units that are named."""
        days = dict(self.expires_after_days)
        return {unit: [word, days.get(unit)] for unit, word in self.settles_on}

    @property
    def has_lake(self) -> bool:
        """Whether publications go to a lake too."""
        return self.storage == DUCKLAKE

    @property
    def is_loopback(self) -> bool:
        return is_loopback_url(self.base_url)


def of_account(together: Settings, account: str) -> Settings:
    """The settings of one account of several: a warehouse of its own, below the directory of all.

    What is published of it is private and in its own directory: readers get the accounts together.
    Raises: ConfigurationError where its directory would have too long a path.
    """
    folder = warehouse_directory("WAREHOUSE__DIR", str(together.warehouse_dir / ACCOUNTS / account), None)
    return replace(
        together, account=account, together=replace(together, api_token=None),
        warehouse_dir=folder, publish_dir=None, readers_group=None,
        deliver_to=None, destinations=(), storage=DUCKDB, lake_catalog=None, lake_data=None,
    )  # fmt: skip


def accounts_of(together: Settings) -> list[Settings]:
    """The settings of each account, as far as they follow from those of all together: directories, no tokens."""
    return [of_account(together, name) for name in together.accounts]


def checked_settings(settings: Settings) -> Settings:
    """Settings that a program made itself, if they are safe.

    Raises: ConfigurationError when the token would be sent without encryption, a number is out of its range, or a
        server on another machine would be called without a limit or with a simulated clock.
    """
    settings = replace(settings, base_url=checked_base_url(settings.base_url))
    for name, kind in numbers().items():
        value = getattr(settings, name)
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        whole_number(name, value, kind.low, kind.high)
    refuse_unsafe(settings)
    return settings


def refuse_unlimited_calls(settings: Settings) -> None:
    """Raises: ConfigurationError where calls to another machine are not limited."""
    if settings.calls_per_minute == 0 and not settings.is_loopback:
        raise ConfigurationError(
            "SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE=0 (no limit) is allowed for a server on this machine only."
        )


def refuse_nested_directories(settings: Settings) -> None:
    """Raises: ConfigurationError where one of the private, the published and the delivered directory is in another.

    What is published may be in the private directory itself; what is delivered needs a directory of its own.
    """
    private, published = settings.warehouse_dir, settings.publish_dir
    if published is not None and _real(private) != _real(published) and _are_nested(private, published):
        raise ConfigurationError(
            f"WAREHOUSE__PUBLISH_DIR ({published}) and WAREHOUSE__DIR ({private}) are one "
            "inside the other: readers would see private files, or could not reach the published ones.",
            "Use two directories beside each other, such as data and published.",
        )
    others = [("WAREHOUSE__DIR", private), ("WAREHOUSE__PUBLISH_DIR", published)]
    for name, target in (("WAREHOUSE__DELIVER_TO", settings.deliver_to), ("WAREHOUSE__LAKE_DATA", settings.lake_data)):
        folder = None if target is None else target.folder
        for other_name, other in others if folder is not None else ():
            if (
                other is not None
                and folder is not None
                and (_real(other) == _real(folder) or _are_nested(other, folder))
            ):
                raise ConfigurationError(
                    f"{name} ({folder}) and {other_name} ({other}) are the same directory, or one inside the other: "
                    "files would be replaced or removed that others need.",
                    "Use directories beside each other, such as data and delivered.",
                )
        others.append((name, folder))
    key = settings.privacy_key_file
    for name, folder in others:
        if key is not None and folder is not None and _real(folder) in _real(key).parents:
            raise ConfigurationError(
                f"PRIVACY__KEY_FILE ({key}) is in {name} ({folder}): a copy of that directory would hold both the "
                "pseudonyms and their key.",
                "Keep the key elsewhere, such as in ~/.config or where other secrets are.",
            )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _are_nested(one: Path, other: Path) -> bool:
    return _real(one) in _real(other).parents or _real(other) in _real(one).parents


def refuse_unsafe(settings: Settings) -> None:
    """Raises: ConfigurationError where values are allowed for a server on this machine only and it is another, or
    contradict each other.
    """
    refuse_unlimited_calls(settings)
    refuse_expiry_without_use(settings.settles_on, settings.expires_after_days)
    refuse_nested_directories(settings)
    refuse_incomplete_lake(settings.storage, settings.lake_catalog, settings.lake_data)
    if settings.simulated_time and not settings.is_loopback:
        raise ConfigurationError(
            "SOURCES__REFERRAL_FACTORY__SIMULATED_TIME=true (the server's Date counts, however far from this machine's "
            "clock) is allowed for a server on this machine only."
        )
