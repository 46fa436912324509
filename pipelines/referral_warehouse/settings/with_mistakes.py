"""What is known of settings that have a mistake: the directory and the receivers, so that the failed run is reported.

Reads the same places in the same order. Where the files cannot be read, or are another user's, only the environment
counts, and no default is used: the file may replace it.
"""

from __future__ import annotations

import os
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.file_owners import skip_files_of_others
from referral_warehouse.settings.notify import NotifySettings, notify_settings_of
from referral_warehouse.settings.setting import WAREHOUSE
from referral_warehouse.settings.sources import (
    DEFAULT,
    Found,
    SettingSources,
    home_folder,
    working_folder,
)
from referral_warehouse.settings.table import SECTIONS
from referral_warehouse.workspace.directories import ACCOUNTS


class KnownSettings:
    """What can be read of the environment and the files although ``load_settings`` refuses them."""

    def __init__(self) -> None:
        self._folder = working_folder()
        self._has_files = True
        try:
            self._sources = SettingSources(os.environ, self._folder, home_folder())
            skip_files_of_others(self._sources)
            self._has_files = not self._sources.skipped_here
        except ConfigurationError:
            self._has_files = False
            self._sources = SettingSources(os.environ, None, None)

    def directory(self, account: str | None = None) -> Path | None:
        """The warehouse directory, or that of one of several accounts; None where it is not known."""
        setting = SECTIONS[WAREHOUSE]["dir"]
        try:
            found = self._sources.find(setting.section, setting.key)
            if found is None and not self._has_files:
                return None
            given = found or Found(setting.kind.default, DEFAULT)
            directory: Path = setting.kind.read(setting.name, given, self._folder)
        except ConfigurationError:
            return None
        return directory if account is None else directory / ACCOUNTS / account

    def receivers(self) -> NotifySettings | None:
        """The receivers of notifications; None where they are not known."""
        try:
            return notify_settings_of(self._sources, os.environ.get("PATH"))
        except ConfigurationError:
            return None
