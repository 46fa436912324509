"""The settings of notifications, section ``[notify]``: where alerts go, which, and how long one may take.

Addresses and commands are checked when they are read, so that a mistake is found before a run begins; nothing is
called. An address may contain a secret, so no message repeats it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import register_secret
from referral_warehouse.settings.sources import (
    Found,
    SettingSources,
    home_folder,
    shown,
    variable,
    working_folder,
)
from referral_warehouse.settings.values import text, whole_number

SECTION = ("notify",)
KEYS = ("url", "ping_url", "command", "apprise_urls", "events", "timeout_s")
EVENTS = ("failure", "recovery", "erasure", "delivery", "stale", "strikes", "checks", "warnings")
TIMEOUT_S, TIMEOUT_LIMITS_S = 5, (1, 60)
LONGEST_URL = 2048
SHORTEST_SECRET = 12
"""Parts of an address of this length are masked wherever they occur; shorter ones may be ordinary words."""
HOST = re.compile(r"[A-Za-z0-9._:-]+")
SERVICE = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/]\S*")
"""An address of Apprise: the name of a service, and whatever that service needs."""
SHORTEST_TOKEN = 8
"""Parts of an address of Apprise of this length are masked: most are tokens, in whatever part of the address."""


class SecretUrl:
    """An address of http or https; shown only by ``reveal()``, and masked with its long parts in logs and messages."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        for secret in (value, *self._secrets()):
            register_secret(secret)

    def reveal(self) -> str:
        return self._value

    def _secrets(self) -> list[str]:
        """The parts that are masked wherever they occur."""
        parts = urlsplit(self._value)
        values = [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
        return [parts.password or "", *(part for part in values if len(part) >= SHORTEST_SECRET)]

    def __repr__(self) -> str:
        return "SecretUrl(***)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("an address with secrets is never pickled")


class SecretService(SecretUrl):
    """An address of Apprise, which may have tokens in every part, also in place of the host."""

    __slots__ = ()

    def _secrets(self) -> list[str]:
        rest, _, query = self._value.partition("://")[2].partition("?")
        place, *path = rest.split("/")
        user, _, host = place.rpartition("@")
        is_host = "." in host or host.partition(":")[0] == "localhost"
        values = [*path, *user.split(":"), *([] if is_host else [host]), *(value for _, value in parse_qsl(query))]
        spelled = {text for value in values for text in (value, unquote(value))}
        return [*user.split(":")[1:], *(text for text in spelled if len(text) >= SHORTEST_TOKEN)]


def scheme_of(url: SecretUrl) -> str:
    """The name of the service of an address, which is no secret."""
    return url.reveal().partition("://")[0]


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """Where alerts go.

    Attributes:
        url: receives one JSON object by POST for each run with an event.
        ping_url: is called when a run starts (``/start``), succeeds, or fails (``/fail``).
        command: the program and its arguments; receives the same JSON object on standard input.
        apprise_urls: addresses of Apprise, which receive the object as text.
        events: the names of the events that are sent.
        timeout_s: seconds that one of these may take.
    """

    url: SecretUrl | None = None
    ping_url: SecretUrl | None = None
    command: tuple[str, ...] = ()
    apprise_urls: tuple[SecretService, ...] = ()
    events: tuple[str, ...] = EVENTS
    timeout_s: int = TIMEOUT_S

    @property
    def has_receiver(self) -> bool:
        """Whether anything receives events."""
        return self.url is not None or bool(self.command) or bool(self.apprise_urls)


def load_notify_settings(
    environ: Mapping[str, str] | None = None, folder: Path | None = None, home: Path | None = None
) -> NotifySettings:
    """Read the environment and the TOML files into NotifySettings.

    Raises: ConfigurationError when a value cannot be used.
    """
    folder = working_folder() if folder is None else folder
    home = home_folder() if home is None else home
    environ = os.environ if environ is None else environ
    return notify_settings_of(SettingSources(environ, folder, home), environ.get("PATH"))


def notify_settings_of(sources: SettingSources, path: str | None) -> NotifySettings:
    """The settings of these places. Args: ``path`` lists the folders that are searched for programs. Raises:
    ConfigurationError."""
    found = {key: sources.find(SECTION, key) for key in KEYS}
    timeout = found["timeout_s"]
    return NotifySettings(
        url=_url("url", found["url"]),
        ping_url=_url("ping_url", found["ping_url"]),
        command=_command(found["command"], path),
        apprise_urls=_services(found["apprise_urls"]),
        events=_events(found["events"]),
        timeout_s=TIMEOUT_S
        if timeout is None
        else whole_number(variable(SECTION, "timeout_s"), timeout.value, *TIMEOUT_LIMITS_S),
    )


def _url(key: str, found: Found | None) -> SecretUrl | None:
    if found is None:
        return None
    name = variable(SECTION, key)
    value = text(name, found.value)
    wrong = ConfigurationError(
        f"{name} is not an address of http or https (it is not shown, because it may contain a secret).",
        f"Write it like https://example.com/path, or remove {name}.",
    )
    if len(value) > LONGEST_URL or not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        raise wrong
    try:
        parts = urlsplit(value)
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not HOST.fullmatch(parts.hostname or "") or not is_port:
        raise wrong
    if parts.fragment:
        raise wrong
    return SecretUrl(value)


def _command(found: Found | None, path: str | None) -> tuple[str, ...]:
    if found is None:
        return ()
    name = variable(SECTION, "command")
    if not found.place.is_own:
        raise ConfigurationError(
            f"{name} is not run: {found.place.name} names it, and somebody else may have written that file.",
            f"Set {name} in the environment, or command in [notify] of ~/.dlt/config.toml.",
        )
    try:
        words = tuple(shlex.split(text(name, found.value)))
    except ValueError:
        raise ConfigurationError(f"{name} has a quotation mark that is not closed.") from None
    if not words or shutil.which(words[0], path=path) is None:
        program = shown(words[0]) if words else "nothing"
        raise ConfigurationError(
            f"{name} names {program}, which is not a program that can be run.",
            "Write its full path. For a pipe or a variable write: sh -c '...'.",
        )
    return words


def _services(found: Found | None) -> tuple[SecretService, ...]:
    if found is None:
        return ()
    name = variable(SECTION, "apprise_urls")
    given = found.value if isinstance(found.value, list) else text(name, found.value).split()
    for number, value in enumerate(given, start=1):
        is_plain = isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= LONGEST_URL
        if not is_plain or not SERVICE.fullmatch(value):
            raise ConfigurationError(
                f"{name}: address {number} is not one of Apprise (it is not shown, because it may contain a secret).",
                f"Write addresses like discord://ID/TOKEN, with blanks between them, or remove {name}.",
            )
    return tuple(SecretService(value) for value in given)


def _events(found: Found | None) -> tuple[str, ...]:
    if found is None:
        return EVENTS
    name = variable(SECTION, "events")
    given = found.value if isinstance(found.value, list) else text(name, found.value).split(",")
    names = [one.strip() for one in given if isinstance(one, str) and one.strip()]
    unknown = [one for one in names if one not in EVENTS]
    if unknown or not names or not all(isinstance(one, str) for one in given):
        wrong = shown(unknown[0]) if unknown else shown(found.value)
        raise ConfigurationError(f"{name} names {wrong}, which is not an event.", f"Choose from {', '.join(EVENTS)}.")
    return tuple(one for one in EVENTS if one in names)
