"""Settings files that belong to another user: whoever can write one decides where a token and data go.

Files of this user and of root are used; root also uses those of the user who ran sudo.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.sources import SettingSources, variable
from referral_warehouse.settings.table import TABLE
from referral_warehouse.settings.values import FilePath
from referral_warehouse.workspace.ownership import ROOT, user_name


def skip_files_of_others(sources: SettingSources) -> None:
    """Remove the files of other users from the places of settings, with a warning where they hold any.

    Raises: ConfigurationError where one holds a setting that the environment does not have: without it the command
        would do something else than its user expects.
    """
    names = [(setting.section, setting.key) for setting in TABLE]
    in_environment = _given(sources.variables)
    for place, file in [(place, place.file) for place in sources.places]:
        if file is None or _is_trusted(file.owner, sources.variables):
            continue
        given = sources.given_in(place, names)
        missing = [name for name in given if name not in in_environment]
        owner = user_name(file.owner)
        if missing:
            more = f" and {len(missing) - 1} more" if missing[1:] else ""
            raise ConfigurationError(
                f"{file.path} belongs to {owner} and is therefore not used, but only it gives {missing[0]}{more}.",
                "If the file is right, make it this user's own (`chown`); else give its settings in the environment.",
            )
        sources.places.remove(place)
        if given:
            sources.warnings.append(f"{file.path} belongs to {owner}: settings in it are not used")


def _given(variables: Mapping[str, str]) -> set[str]:
    """The settings that an environment has; a secret counts as given where the file that holds it is, and vice
    versa."""
    given = {setting.name for setting in TABLE if setting.name in variables}
    for setting in TABLE:
        if isinstance(setting.kind, FilePath) and setting.kind.holds:
            pair = {setting.name, variable(setting.section, setting.kind.holds)}
            given |= pair if given & pair else set()
    return given


def _is_trusted(owner: int, variables: Mapping[str, str]) -> bool:
    own = os.geteuid()
    return owner in (ROOT, own) or (own == ROOT and variables.get("SUDO_UID") == str(owner))
