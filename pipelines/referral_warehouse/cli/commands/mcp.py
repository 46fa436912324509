"""``mcp`` answers questions of agents about the published data, over standard input and output or HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.http_service import say_token, serve_until_signal, usable_token
from referral_warehouse.cli.signals import end_on_signals
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.extras import packages_of

if TYPE_CHECKING:
    from referral_warehouse.consume.agents.server import AgentServer
    from referral_warehouse.settings import Settings

PACKAGES = ("mcp", "mcp_types", "pydantic", "uvicorn")
TOKEN_SETTING = "WAREHOUSE__AGENTS_TOKEN"  # noqa: S105  (the name of a setting)


@click.command(epilog="Example: referrals mcp --http --port 8765")
@click.option("--http", is_flag=True, help="Serve HTTP on 127.0.0.1 instead of standard input and output.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of --http; 0 lets the system choose.")
@logging_options
@account_option
def mcp(http: bool, port: int) -> None:
    """Answer questions of agents (Model Context Protocol) about the published data, read-only."""
    with packages_of("mcp", PACKAGES, "`referrals mcp`"):
        from referral_warehouse.consume.agents.server import build_server
        from referral_warehouse.consume.agents.source import Source
    if port and not http:
        raise ConfigurationError("--port is for --http.", "Add --http, or leave --port out.")
    settings = read_settings()
    server = build_server(Source(settings))
    if http:
        _serve_http(settings, server, port)
        return
    end_on_signals()  # nothing is written that could be interrupted; a thread waits for standard input
    server.run("stdio")


def _serve_http(settings: Settings, server: AgentServer, port: int) -> None:
    """Serve until a signal ends the command."""
    from referral_warehouse.cli.console import say
    from referral_warehouse.consume.agents.http_server import PATH, agents_app
    from referral_warehouse.consume.http_server import HttpServer

    token, is_new = usable_token(TOKEN_SETTING, settings.agents_token)

    def say_ready(url: str) -> None:
        say(f"Ready for agents: {url}{PATH}")
        if is_new:
            say_token(token, TOKEN_SETTING)

    serve_until_signal(HttpServer(agents_app(server), token, port), f"Port {port}", say_ready)
