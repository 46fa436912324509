"""Several accounts in one configuration: the sections ``[accounts.<name>]`` and the settings that each may have.

An account has a token of its own, and may have its own value of every other setting of its API and of its units. A
setting that its section lacks has the value of ``[sources.referral_factory]`` or ``[warehouse]``, except for tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.setting import SOURCE, Section, Setting
from referral_warehouse.settings.sources import Place, SettingSources, shown, variable
from referral_warehouse.settings.table import SECTIONS, TABLE, WAREHOUSE
from referral_warehouse.settings.values import name_pattern

SECTION = "accounts"
ACCOUNT_NAME = name_pattern(32)
"""The names are folders, and parts of environment variables."""
UNITS = ("reward_units", "settles_on", "expires_after_days")
"""Settings of the section ``warehouse`` that an account may have: units are chosen by names and ids of an account."""
NOT_SHARED = ("api_token", "api_token_file")
"""Keys that an account never takes from ``[sources.referral_factory]``."""

ACCOUNT_SETTINGS: dict[str, Setting] = {
    **SECTIONS[SOURCE], **{key: SECTIONS[WAREHOUSE][key] for key in UNITS},
}  # fmt: skip
"""Key → the setting of which an account may have its own value."""


def section_of(account: str) -> Section:
    """The section of an account."""
    return (SECTION, account)


def account_names(sources: SettingSources, new: str | None = None) -> tuple[str, ...]:
    """The names of all accounts in the environment and the files, and of a new one, sorted.

    Raises: ConfigurationError for a name that no account can have, or for ``accounts`` that is not a table of tables.
    """
    found: dict[str, str] = {} if new is None else {new: "--account"}
    for name in sources.variables:
        parts = name.split("__")
        if len(parts) > 2 and parts[0] == SECTION.upper():
            found.setdefault(parts[1].lower(), name)
    for place in sources.places:
        tables = {} if place.file is None else place.file.document.get(SECTION, {})
        if not isinstance(tables, dict) or any(not isinstance(table, dict) for table in tables.values()):
            raise ConfigurationError(
                f"[{SECTION}] in {place.name} must have a table for each account.",
                f'Write them as [{SECTION}.<name>], such as [{SECTION}.uk] with the line api_token = "...".',
            )
        for name in tables:
            found.setdefault(name, f"[{SECTION}.{name}] in {place.name}")
    for name, where in found.items():
        if not ACCOUNT_NAME.fullmatch(name):
            raise ConfigurationError(
                f"{shown(name)} cannot be the name of an account ({where}).",
                "Use a small letter and then small letters, digits and single underscores, 32 at most.",
            )
    return tuple(sorted(found))


def chosen_account(names: tuple[str, ...], wanted: str | None) -> str | None:
    """The account that a command is for; None for all, or where there are no accounts.

    Raises: ConfigurationError for an account that is not in the settings.
    """
    if wanted is None or wanted in names:
        return wanted
    if not names:
        raise ConfigurationError(
            f"There is no account {shown(wanted)}: the settings have no accounts.",
            f"Add [{SECTION}.<name>] with its api_token to .dlt/secrets.toml, or leave --account out.",
        )
    nearest = get_close_matches(wanted, names, n=1)
    meant = f" Did you mean {nearest[0]}?" if nearest else ""
    raise ConfigurationError(
        f"There is no account {shown(wanted)}; the settings have {', '.join(names)}.{meant}",
        "Use one of these names with --account.",
    )


def rows_of(account: str | None) -> tuple[tuple[Setting, Setting | None], ...]:
    """Each row of the table, with the row of the account that comes first, if there is one."""
    own = None if account is None else section_of(account)
    return tuple(
        (row, replace(row, section=own, field=row.attribute))
        if own is not None and ACCOUNT_SETTINGS.get(row.key) == row
        else (row, None)
        for row in TABLE
    )


def refuse_shared_token(sources: SettingSources, names: Iterable[str]) -> None:
    """Raises: ConfigurationError where there are accounts, and also a token that belongs to none of them."""
    listed = tuple(names)
    for key in NOT_SHARED if listed else ():
        found = sources.find(SOURCE, key)
        if found is not None:
            raise ConfigurationError(
                f"{variable(SOURCE, key)} (in {found.place.name}) is given beside the accounts {', '.join(listed)}.",
                f"Each account has its own token: move this one to {variable(section_of(listed[0]), key)} or to "
                "the account that it belongs to.",
            )


def files_of_accounts(sources: SettingSources) -> list[Path]:
    """The files that have a section of an account."""
    return [place.file.path for place in sources.places if place.file is not None and place.file.document.get(SECTION)]


def token_place(sources: SettingSources, names: Iterable[str]) -> Place | None:
    """Where the token is, or one of the tokens of accounts, preferably one that only the user could place."""
    sections = [section_of(name) for name in names] or [SOURCE]
    places = [found.place for section in sections for key in NOT_SHARED if (found := sources.find(section, key))]
    return next((place for place in places if place.is_own), places[0] if places else None)
