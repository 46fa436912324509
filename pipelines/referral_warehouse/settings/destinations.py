"""The values that dlt reads for one of its destinations, by name.

Names and places are dlt's: ``DESTINATION__<NAME>__CREDENTIALS…`` in the environment, or ``[destination.<name>]`` in
``.dlt/*.toml``. Every value of credentials that may be secret is masked from the time when it is read. Opens nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import register_secret
from referral_warehouse.settings.accounts import account_names, token_place
from referral_warehouse.settings.file_owners import skip_files_of_others
from referral_warehouse.settings.sources import SettingSources, home_folder, variable, working_folder
from referral_warehouse.settings.values import text

SECTION = "destination"
NO_SECRETS = frozenset({
    "account", "catalog", "cluster", "database", "dataset", "drivername", "host", "http_path", "http_port", "location",
    "port", "project_id", "query", "region_name", "role", "secure", "server_hostname", "user", "username", "warehouse",
})  # fmt: skip
"""Keys of credentials whose values may be shown."""
AMBIGUOUS = re.compile(r"[\w+.-]+://[^:/?#@]*:[^/?#]*@[^/?#]*@")
"""An address with an @ in the password: clients take what follows the first @ for the host, and show it."""
SHORTEST_SECRET = 12
"""Parameters of an address with so many characters or more are masked, as they may be tokens."""


class DestinationValues:
    """The values of one destination in the environment and the files.

    Raises: ConfigurationError when one of the files is not TOML.
    """

    def __init__(self, name: str, sources: SettingSources, token_is_own: bool) -> None:
        self.name = name
        self._sources = sources
        self._token_is_own = token_is_own

    @property
    def kind(self) -> str:
        """dlt's type of the destination, as ``postgres``; the name itself where none is given."""
        found = self.find(SECTION, self.name, "destination_type")
        return self.name if found is None else text(variable((SECTION, self.name), "destination_type"), found)

    def find(self, *path: str) -> Any:
        """A value by its path, ``destination`` first; None for none.

        Raises: ConfigurationError where a file of the working directory has it, and the token is not from there: who
            wrote that file would decide where the data goes.
        """
        section, key = path[:-1], path[-1]
        found = self._sources.find(section, key)
        if found is None:
            return None
        if not found.place.is_own and self._token_is_own:
            raise ConfigurationError(
                f"Nothing is delivered to {self.name}: {found.place.name} says where it is, and somebody else may have "
                "written that file.",
                f"If it is right, set {variable(section, key)} in the environment or in ~/.dlt/secrets.toml; else "
                "remove it from that file.",
            )
        value = found.value if found.given is None else found.given.strip()
        for secret in _secrets(value, key, is_within="credentials" in path):
            register_secret(secret)
        if key == "credentials" and isinstance(value, str) and AMBIGUOUS.match(value):
            raise ConfigurationError(
                f"{variable(section, key)} is an address with an @ in its password.",
                "Write it as %40.",
            )
        return value


def load_destination(
    name: str, environ: Mapping[str, str] | None = None, folder: Path | None = None, home: Path | None = None
) -> DestinationValues:
    """The values of a destination, in the places where settings are. Raises: ConfigurationError."""
    sources = SettingSources(
        os.environ if environ is None else environ,
        working_folder() if folder is None else folder,
        home_folder() if home is None else home,
    )
    skip_files_of_others(sources)
    place = token_place(sources, account_names(sources))
    return DestinationValues(name, sources, place is None or place.is_own)


def _secrets(value: Any, key: str, *, is_within: bool) -> Iterator[str]:
    """The texts that must not be shown: a value, the values inside it, and the password and tokens of an address."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _secrets(inner, str(name), is_within=is_within or name == "credentials")
    elif isinstance(value, str) and is_within and key not in NO_SECRETS:
        if key != "credentials":
            yield value
            return
        try:
            url = urlsplit(value)
            password = url.password
            document = json.loads(value) if value.startswith("{") else None
        except ValueError:
            yield value
            return
        if password:
            yield from (value, password, unquote(password))
        yield from (found for _, found in parse_qsl(url.query) if len(found) >= SHORTEST_SECRET)
        if isinstance(document, dict):
            yield from _secrets(document, key, is_within=True)
