"""The command line: the only package that prints or exits.

Commands are imported when they are used, so that ``--help`` needs neither dlt nor DuckDB. ``exit_codes`` reports how a
command ended.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

import click

from referral_warehouse import __version__
from referral_warehouse.cli.exit_codes import report_end
from referral_warehouse.cli.output import DONE, end_output, open_output
from referral_warehouse.cli.signals import end_on_signals, raise_on_signals
from referral_warehouse.cli.terminal import restrict_terminal_variables
from referral_warehouse.cli.verbosity import logging_options

# Rows have no reference cycles: garbage collection as often as by default would cost a tenth of a load and find
# nothing.
OBJECTS_UNTIL_COLLECTION = (100_000, 20, 20)

COMPLETE = "_REFERRALS_COMPLETE"
"""The variable with which a shell asks for completion, by the name of the program."""

# name → (module of this package, one sentence of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "sync": ("sync", "Load, compare counts, build, check and publish: the main job."),
    "load": ("sync", "Load from the API into the private load file, and nothing else."),
    "build": ("sync", "Build the models from the load file into a draft."),
    "publish": ("sync", "Publish the content of the load file: build, check, snapshot, feeds."),
    "init": ("init", "Ask for the API token, try it, and write it to .dlt/secrets.toml."),
    "check": ("check", "Show what this account's API supports, one line each."),
    "status": ("status", "Show whether runs succeed, how fresh the data is, and open liabilities."),
    "report": ("report", "Write the report: one HTML page that shows the published snapshot."),
    "sql": ("sql", "Query the published warehouse read-only, or open a prompt for queries."),
    "mcp": ("mcp", "Answer questions of agents (MCP) about the published data, read-only."),
    "serve": ("serve", "Serve feeds, schema, report and manifest read-only over HTTP, with a token."),
    "deliver": ("deliver", "Deliver the published tables to a database or warehouse, through dlt."),
    "snapshots": ("snapshots", "List the published snapshots that are kept, or pin one."),
    "migrate": ("migrate", "Copy the kept snapshots into a lake, or compare both before you leave the lake."),
    "config": ("config", "Show every setting with its value and where that came from."),
    "strikes": ("strikes", "Show rate-limit violations of the last 7 days; --forgive ends a protective stop."),
    "schedule": ("schedule", "Print a file that makes a scheduler run the sync of this directory."),
    "fix-clock": ("fix_clock", "Correct stored times that a wrong clock wrote, and publish."),
    "privacy": ("privacy", "Show where personal data is held, for how long and under which policy."),
    "forget": ("forget", "Erase the personal values of a person; amounts, counts and ids stay."),
    "export": ("forget", "Write all that is held of a person, as JSON and as a page."),
    "backup": ("backup", "Copy the whole warehouse into a directory elsewhere, or verify such copies."),
    "restore": ("backup", "Put a backup into the warehouse directory; the next sync continues from there."),
    "docs": ("docs", "Print the data dictionary: every published table and column."),
    "sandbox": ("sandbox", "Serve the documented API on this machine."),
    "demo": ("demo", "Simulate several days of a sandbox account and sync after each."),
}


class Commands(click.Group):
    """Imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"referral_warehouse.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        command.help = command.help or COMMANDS[cmd_name][1]  # with -OO there are no docstrings
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named first. Raises: click.UsageError with the nearest name where there is none."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            nearest = get_close_matches(args[0].lower(), COMMANDS, n=1)
            if args[0].startswith("-") or not nearest:
                raise
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {nearest[0]!r}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="referrals")
@logging_options
def cli() -> None:
    """Load the data of a Referral Factory account into DuckDB, compare counts with the API, and publish it for queries.

    Settings come from the environment and .dlt/*.toml. Example: referrals sync --json
    """


def run(arguments: list[str] | None = None, closed: Collection[int] = ()) -> None:
    """Run one command and exit. Files are made for this user only.

    Args: ``closed`` are the numbers of the standard streams that were closed when the process began.
    """
    os.umask(0o077)
    gc.set_threshold(*OBJECTS_UNTIL_COLLECTION)
    restrict_terminal_variables(os.environ)
    raise_on_signals()
    open_output(closed)
    state: dict[str, Any] = {}
    arguments = sys.argv[1:] if arguments is None else arguments
    if COMPLETE in os.environ:
        from referral_warehouse.cli.completion import offer_fish

        offer_fish()
    try:
        code = cli.main(arguments, prog_name="referrals", standalone_mode=False, obj=state)
    except SystemExit as ended:  # click has answered a shell that completes a command
        code = ended.code
    except BaseException as error:
        end_on_signals()
        code = report_end(error, verbose=state.get("verbose", False), as_json=_is_json(state), done=state.get(DONE))
    code = code if isinstance(code, int) else 0
    end_on_signals(code)
    sys.exit(end_output(code, done=state.get(DONE), as_json=_is_json(state)))


def _is_json(state: dict[str, Any]) -> bool:
    return state.get("log_format") == "json"
