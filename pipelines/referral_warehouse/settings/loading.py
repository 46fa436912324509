"""Reads the Settings from the environment and the files, by the table of settings; keeps where each value came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.accounts import (
    NOT_SHARED,
    account_names,
    chosen_account,
    files_of_accounts,
    refuse_shared_token,
    rows_of,
    token_place,
)
from referral_warehouse.settings.base_url import refuse_redirected_token
from referral_warehouse.settings.delivery_target import refuse_redirected_data
from referral_warehouse.settings.file_owners import skip_files_of_others
from referral_warehouse.settings.model import Settings, of_account, refuse_unsafe
from referral_warehouse.settings.secret_files import read_secret_file
from referral_warehouse.settings.sources import (
    DEFAULT,
    ENVIRONMENT,
    Found,
    Place,
    SettingSources,
    home_folder,
    working_folder,
)
from referral_warehouse.settings.table import SECTIONS, TABLE, WAREHOUSE, Setting
from referral_warehouse.settings.unknown_names import refuse_unknown_names
from referral_warehouse.settings.values import FilePath


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting with the value that it has; None for none. ``place`` is where it came from."""

    setting: Setting
    value: Any
    place: Place

    @property
    def origin(self) -> str:
        """``default``, the name of the environment variable, or the path of the file."""
        if self.place == DEFAULT:
            return "default"
        return self.setting.name if self.place == ENVIRONMENT else self.place.name


def load_settings(
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    home: Path | None = None,
    account: str | None = None,
) -> Settings:
    """Read the environment and the TOML files into Settings.

    Args: ``account`` is the name of one of several accounts; without one, the settings are those of all together, or
    of the only one.
    Raises: ConfigurationError when a value cannot be read or would be unsafe, or a name is no setting.
    """
    return effective_settings(environ, folder, home, account)[0]


def effective_settings(
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    home: Path | None = None,
    account: str | None = None,
    *,
    is_new_account: bool = False,
) -> tuple[Settings, list[EffectiveSetting]]:
    """Settings, and each row of the table with the value that it has.

    Args: ``is_new_account`` is true where ``account`` may be one that the settings do not have yet.
    Raises: as ``load_settings``.
    """
    folder = working_folder() if folder is None else folder
    sources = SettingSources(
        os.environ if environ is None else environ, folder, home_folder() if home is None else home
    )
    skip_files_of_others(sources)
    refuse_unknown_names(sources)
    accounts = account_names(sources, account if is_new_account else None)
    refuse_shared_token(sources, accounts)
    account = chosen_account(accounts, account)
    found = {row: _find(sources, row, own) for row, own in rows_of(account)}
    values = {row: _effective(named, value, folder) for row, (named, value) in found.items()}
    for setting in TABLE:
        if isinstance(setting.kind, FilePath) and setting.kind.holds and values[setting].value is not None:
            holder = SECTIONS[setting.section][setting.kind.holds]
            values[holder] = _content(values[holder], values[setting])
    by_field = {effective.setting.attribute: effective for effective in values.values()}
    known = {spec.name for spec in fields(Settings)}
    settings = Settings(
        **{
            name: effective.value
            for name, effective in by_field.items()
            if name in known and effective.value is not None
        },
        warnings=tuple(sources.warnings),
        files=tuple(
            dict.fromkeys(
                [
                    *(value.place.file.path for value in values.values() if value.place.file is not None),
                    *files_of_accounts(sources),
                ]
            )
        ),
        is_directory_relative=_is_relative(found[SECTIONS[WAREHOUSE]["dir"]][1]),
        accounts=accounts,
    )
    if settings.api_token is not None:
        refuse_redirected_token(by_field["api_token"].place, settings.base_url, by_field["base_url"].place)
    where = (token_place(sources, accounts) if accounts else by_field["api_token"].place) or DEFAULT
    for name in ("deliver_to", "lake_catalog", "lake_data"):
        found_value = by_field[name].value
        if found_value is not None and found_value.is_remote:
            refuse_redirected_data(where, by_field[name].setting.name, str(found_value), by_field[name].place)
    if settings.destinations:
        named = by_field["destinations"]
        refuse_redirected_data(where, named.setting.name, ", ".join(settings.destinations), named.place)
    refuse_unsafe(settings)
    _refuse_skipped_files(sources)
    return (settings if account is None else of_account(settings, account)), list(values.values())


def _find(sources: SettingSources, row: Setting, own: Setting | None) -> tuple[Setting, Found | None]:
    """The row that has the value, and the value: the account's own row, if there is one and it has a value."""
    found = None if own is None else sources.find(own.section, own.key)
    if own is not None and (found is not None or row.key in NOT_SHARED):
        return own, found
    return row, sources.find(row.section, row.key)


def _effective(setting: Setting, found: Found | None, folder: Path | None) -> EffectiveSetting:
    if found is None:
        default = setting.kind.default
        value = None if default is None else setting.kind.read(setting.name, Found(default, DEFAULT), folder)
        return EffectiveSetting(setting, value, DEFAULT)
    try:
        return EffectiveSetting(setting, setting.kind.read(setting.name, found, folder), found.place)
    except ConfigurationError as error:
        file = found.place.file
        if file is None:
            raise
        where = file.position_of((*setting.section, setting.key))
        raise ConfigurationError(f"{error.message} It is given in {file.path}, {where}.", error.next_step) from None


def _content(given: EffectiveSetting, file: EffectiveSetting) -> EffectiveSetting:
    """The value that a file holds. Raises: ConfigurationError where the value is also given directly."""
    setting = given.setting
    if given.place != DEFAULT:
        raise ConfigurationError(
            f"{setting.name} (in {given.place.name}) and {file.setting.name} (in {file.place.name}) are both given.",
            f"Remove one of them: {setting.name} from {given.place.name} to use the file, or {file.setting.name} from "
            f"{file.place.name} to use the value.",
        )
    # The user's own wherever the path is given: a folder's file could name any file of the user.
    place = Place(str(file.value), is_own=True)
    content = read_secret_file(file.setting.name, file.value)
    return EffectiveSetting(setting, setting.kind.read(setting.name, Found(content, place), None), place)


def _is_relative(directory: Found | None) -> bool:
    return directory is None or not str(directory.value).startswith(("/", "~"))


def _refuse_skipped_files(sources: SettingSources) -> None:
    if sources.skipped_here and sources.find(WAREHOUSE, "dir") is None:
        raise ConfigurationError(
            f"{sources.skipped_here[0]} cannot be read, and it may say which directory the warehouse is in.",
            "Make it readable for this user, or set WAREHOUSE__DIR in the environment.",
        )
