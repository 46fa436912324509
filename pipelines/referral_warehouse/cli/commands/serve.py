"""``serve``: publishes feeds, schema, report and manifest read-only over HTTP, for programs on other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.http_service import say_token, serve_until_signal, usable_token
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.extras import packages_of

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

PACKAGES = ("starlette", "uvicorn", "anyio")
TOKEN_SETTING = "WAREHOUSE__SERVE_TOKEN"  # noqa: S105  (the name of a setting)
UNENCRYPTED = (
    "the token and the data are sent without encryption: put a server with TLS in front, or use an SSH tunnel, "
    "unless the network is yours alone"
)


@click.command(epilog="Example: referrals serve --port 8780")
@click.option("--host", default="127.0.0.1", help="Address to listen on; without it, only this machine can connect.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port; 0 lets the system choose.")
@logging_options
@account_option
def serve(host: str, port: int) -> None:
    """Serve feeds, schema, report and manifest read-only over HTTP, for DuckDB and other programs elsewhere."""
    with packages_of("serve", PACKAGES, "`referrals serve`"):
        from referral_warehouse.consume.http_server import HttpServer
        from referral_warehouse.consume.serving.app import serving_app
    settings = read_settings(may_be_together=True)
    _warn_or_refuse(settings, host)
    token, is_new = usable_token(TOKEN_SETTING, settings.serve_token)
    server = HttpServer(lambda _port: serving_app(settings), token, port, host=host, has_passwords=True)

    def say_ready(url: str) -> None:
        _say_what(settings, url)
        if is_new:
            say_token(token, TOKEN_SETTING)

    serve_until_signal(server, f"{host}, port {port}", say_ready)


def _say_what(settings: Settings, url: str) -> None:
    from referral_warehouse.cli.console import say
    from referral_warehouse.consume.serving.contents import NotAvailable, PublishedFiles

    try:
        what = f"snapshot {PublishedFiles(settings).published_number()} and later ones"
    except NotAvailable as error:
        what = f"what will be published (requests are answered with 503 until then). {error.message} {error.next_step}"
    say(f"Serving at {url}/ from {settings.published_dir}: {what}")


def _warn_or_refuse(settings: Settings, host: str) -> None:
    """Warn where other machines can connect.

    Raises: ConfigurationError when there is no such host, or other machines can connect and no token is set.
    """
    from referral_warehouse.cli.output import warn
    from referral_warehouse.consume.http_server import is_loopback

    try:
        is_for_others = not is_loopback(host)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no host has such a name"
        raise ConfigurationError(
            f"{host!r} is not an address of this machine: {why}.",
            "Give an address of this machine, or leave --host out.",
        ) from None
    if not is_for_others:
        return
    if settings.serve_token is None:
        raise ConfigurationError(
            f"{TOKEN_SETTING} is not set, and other machines can connect to {host}.",
            f"Set {TOKEN_SETTING} to a long random text, which readers must send.",
        )
    warn("server", UNENCRYPTED)
