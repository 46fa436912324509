"""Serves an application over HTTP until a signal ends the command: token, address, and the lines that are printed.

Must not know the application.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from referral_warehouse.errors import ConfigurationError, ReferralsError

if TYPE_CHECKING:
    from referral_warehouse.consume.http_server import HttpServer
    from referral_warehouse.settings import Token


def usable_token(setting: str, given: Token | None) -> tuple[str, bool]:
    """The token of a setting and False, or a new token and True. A new one is made only where output goes to a
    terminal.

    Args: ``setting`` is its name, for messages.
    Raises: ConfigurationError when the token is too short, or there is none and no terminal.
    """
    from referral_warehouse.consume.http_server import SHORTEST_TOKEN, new_token

    if given is not None:
        token = given.reveal()
        if len(token) < SHORTEST_TOKEN or not token.isascii():
            raise ConfigurationError(
                f"{setting} is too short, or not ASCII: it needs {SHORTEST_TOKEN} characters or more.",
                "Set a long random text.",
            )
        return token, False
    if not sys.stdout.isatty():
        raise ConfigurationError(
            f"{setting} is not set, and a new token would be written to the log or file that this output goes to.",
            f"Set {setting}, or run the command on a terminal, where a new token is shown.",
        )
    return new_token(), True


def serve_until_signal(server: HttpServer, place: str, say_ready: Callable[[str], None]) -> None:
    """Serve until a signal ends the command.

    Args:
        server: not started yet.
        place: what the server listens on, for messages.
        say_ready: called with the address once requests are answered.

    Raises: ConfigurationError when ``place`` is taken or does not exist; ReferralsError when the server ends by itself.
    """
    try:
        running = server.__enter__()
    except OSError as error:
        raise ConfigurationError(f"{place} cannot be opened: {error.strerror}.", "Choose another --port.") from None
    try:
        say_ready(running.url)
        running.wait()
    finally:
        running.__exit__(None, None, None)
    raise ReferralsError(f"The server on {place} ended by itself.")


def say_token(token: str, setting: str) -> None:
    """Show a new token, once."""
    from referral_warehouse.cli.console import say

    say(f"Token, shown once: {token}")
    say(f"Set {setting} to use the same token every time.")
