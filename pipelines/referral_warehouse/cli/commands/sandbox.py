"""``sandbox``: serves the documented API on this machine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from referral_warehouse.cli.output import is_output_lost
from referral_warehouse.cli.sandbox_extra import require_sandbox_extra
from referral_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from referral_warehouse.sandbox import Traps

DEMO_TOKEN = "sandbox-token"  # noqa: S105  (opens nothing but the sandbox on this machine)


def _trap_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One documented option for every trap of the sandbox, made from the traps themselves."""
    from referral_warehouse.sandbox.quirks import Traps

    for trap in reversed(dataclasses.fields(Traps)):
        name = "--trap-" + trap.name.replace("_", "-")
        text = str(trap.metadata["help"])
        if isinstance(trap.default, bool):
            option = click.option(name, f"trap_{trap.name}", is_flag=True, help=text)
        else:
            choices = trap.metadata.get("choices")
            kind: Any = click.Choice(list(choices)) if choices else type(trap.default)
            option = click.option(name, f"trap_{trap.name}", type=kind, default=trap.default, help=text)
        command = option(command)
    return command


def _traps(values: dict[str, Any]) -> Traps:
    from referral_warehouse.sandbox.quirks import Traps

    try:
        return Traps(**{name.removeprefix("trap_"): value for name, value in values.items()})
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@click.command(epilog="Example: referrals sandbox --port 8000 --users 500")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 lets the system pick.")
@click.option("--users", type=click.IntRange(0, 5_000_000), default=300, help="Users in a fresh world.")
@click.option("--seed", type=int, default=7, help="The same seed gives the same world.")
@click.option("--file", "path", type=click.Path(path_type=Path), help="Keep the world in this file between runs.")
@click.option("--token", default=DEMO_TOKEN, help="The access token that it accepts.")
@click.option("--calls-per-minute", type=int, default=600, help="The limit it enforces; 0 for none.")
@click.option("--webhook-url", help="POST new users and qualifications to this address.")
@click.option("--events", is_flag=True, help="Print the event log of the world in --file and stop.")
@_trap_options
def sandbox(
    port: int, users: int, seed: int, path: Path | None, token: str, calls_per_minute: int, webhook_url: str | None,
    events: bool, **traps: Any,
) -> None:  # fmt: skip
    """Serve the documented API on this machine: the test mode the vendor does not have."""
    from referral_warehouse.cli.console import say, say_json

    require_sandbox_extra()
    from referral_warehouse.sandbox import Sandbox, serve

    if events:
        if path is None or not path.is_file():
            raise ConfigurationError("--events needs --file with a sandbox world that exists.")
        with Sandbox(path=path, users=users, seed=seed, token=token) as world:
            for event in world.events():
                say_json(event)
                if is_output_lost():
                    break
        return

    def ready(base_url: str) -> None:
        say(f"Sandbox ready: {base_url}")
        say("Sync it from another terminal:")
        prefix = "SOURCES__REFERRAL_FACTORY__"
        say(f"  {prefix}BASE_URL={base_url} {prefix}API_TOKEN={token} {prefix}SIMULATED_TIME=true referrals sync")

    try:
        serve(
            path=path, users=users, seed=seed, token=token, port=port, calls_per_minute=calls_per_minute,
            traps=_traps(traps), webhook_url=webhook_url, on_ready=ready,
        )  # fmt: skip
    except OSError as error:
        raise ConfigurationError(f"Port {port} cannot be opened: {error.strerror}.", "Choose another --port.") from None
