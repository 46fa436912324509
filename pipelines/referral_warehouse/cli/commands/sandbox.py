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

    from referral_warehouse.sandbox import Quirks

DEMO_TOKEN = "sandbox-token"  # noqa: S105  (valid for the sandbox on this machine alone)


class SandboxCommand(click.Command):
    """Its help shows the quirks apart from the other options, below the headings of their groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        from referral_warehouse.sandbox.quirks import grouped_quirks

        records = {parameter.name: parameter.get_help_record(ctx) for parameter in self.get_params(ctx)}
        groups = {title: [f"quirk_{name}" for name in names] for title, names in grouped_quirks().items()}
        in_groups = {name for names in groups.values() for name in names}
        groups = {"Options": [name for name in records if name not in in_groups], **groups}
        for title, names in groups.items():
            with formatter.section(title):
                formatter.write_dl([record for record in map(records.get, names) if record is not None])


def _quirk_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add one documented option for every quirk of the sandbox."""
    from referral_warehouse.sandbox.quirks import Quirks

    for quirk in reversed(dataclasses.fields(Quirks)):
        name = "--quirk-" + quirk.name.replace("_", "-")
        text = str(quirk.metadata["help"])
        if isinstance(quirk.default, bool):
            option = click.option(name, f"quirk_{quirk.name}", is_flag=True, help=text)
        else:
            choices = quirk.metadata.get("choices")
            kind: Any = click.Choice(list(choices)) if choices else type(quirk.default)
            option = click.option(name, f"quirk_{quirk.name}", type=kind, default=quirk.default, help=text)
        command = option(command)
    return command


def _current_name(option: str) -> str:
    """The name of an option, which was ``trap-…`` instead of ``quirk-…`` up to version 0.2."""
    return f"quirk-{option.removeprefix('trap-')}" if option.startswith("trap-") else option


def _quirks(values: dict[str, Any]) -> Quirks:
    from referral_warehouse.sandbox.quirks import Quirks

    try:
        return Quirks(**{name.removeprefix("quirk_"): value for name, value in values.items()})
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@click.command(
    cls=SandboxCommand,
    epilog="Example: referrals sandbox --port 8000 --users 500",
    context_settings={"token_normalize_func": _current_name},
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 lets the system choose.")
@click.option("--users", type=click.IntRange(0, 5_000_000), default=300, help="Users of a new account.")
@click.option("--seed", type=int, default=7, help="The same seed makes the same account.")
@click.option("--file", "path", type=click.Path(path_type=Path), help="Keep the account in this file between runs.")
@click.option("--token", default=DEMO_TOKEN, help="The access token that it accepts.")
@click.option("--calls-per-minute", type=int, default=600, help="The rate limit that it enforces; 0 for none.")
@click.option("--webhook-url", help="POST new users and qualifications to this address.")
@click.option("--events", is_flag=True, help="Print the event log of the account in --file and stop.")
@_quirk_options
def sandbox(
    port: int, users: int, seed: int, path: Path | None, token: str, calls_per_minute: int, webhook_url: str | None,
    events: bool, **quirks: Any,
) -> None:  # fmt: skip
    """Serve the documented API on this machine: the test mode the vendor does not have."""
    from referral_warehouse.cli.console import say, say_json

    require_sandbox_extra()
    from referral_warehouse.sandbox import Sandbox, serve

    if events:
        if path is None or not path.is_file():
            raise ConfigurationError(
                "--events needs --file with an existing sandbox account.",
                "Name the file that `referrals demo` printed, or one that `referrals sandbox --file` made.",
            )
        with Sandbox(path=path, users=users, seed=seed, token=token) as account:
            for event in account.events():
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
            quirks=_quirks(quirks), webhook_url=webhook_url, on_ready=ready,
        )  # fmt: skip
    except OSError as error:
        raise ConfigurationError(f"Port {port} cannot be opened: {error.strerror}.", "Choose another --port.") from None
