"""``sandbox`` serves the documented API on this machine; ``demo`` plays days of it and syncs after each."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.configured import read_settings
from pipelines.cli.directories import DEMO_MARKER
from pipelines.cli.output import is_output_lost, work_is_done
from pipelines.cli.pipelining import sync_once
from pipelines.cli.reporting import log_problems
from pipelines.cli.speaking import speaking_options
from pipelines.errors import ConfigurationError
from pipelines.file_kinds import refuse_other_kinds
from pipelines.lock import warehouse_lock
from pipelines.settings import Settings, Token

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.cli.log import Log
    from pipelines.load.runner import LoadReport
    from pipelines.sandbox import Traps

DEMO_TOKEN = "sandbox-token"  # noqa: S105  (opens nothing but the sandbox on this machine)
ROLL_FORWARD = """
with days as (
    select campaign_id, unit, day_on, sum(opening_value) as opening_value, sum(accrued_value) as accrued_value,
        sum(issued_value) as issued_value, sum(reversed_value) as reversed_value, sum(closing_value) as closing_value
    from marts.reward_liability_daily
    where not is_estimated
    group by campaign_id, unit, day_on
)

select campaigns.name as campaign, days.unit,
    arg_min(days.opening_value, days.day_on) as opening,
    sum(days.accrued_value) as accrued,
    sum(days.issued_value) as issued,
    sum(days.reversed_value) as reversed,
    arg_max(days.closing_value, days.day_on) as closing
from days
left join core.campaigns using (campaign_id)
group by days.campaign_id, campaigns.name, days.unit
order by closing desc, days.campaign_id, days.unit
"""


def _trap_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One documented option for every trap of the sandbox, made from the traps themselves."""
    from pipelines.sandbox.traps import Traps

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
    from pipelines.sandbox import Traps

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
    from pipelines.cli.display import say, say_json
    from pipelines.sandbox import Sandbox, serve

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


@click.command(epilog="Example: referrals demo --days 7")
@click.option("--days", type=click.IntRange(1, 400), default=21, help="Simulated days to play; a sync follows each.")
@click.option("--users", type=click.IntRange(1, 200_000), default=300, help="Users in a fresh world.")
@click.option("--seed", type=int, default=7, help="The same seed gives the same world.")
@speaking_options
def demo(days: int, users: int, seed: int) -> None:
    """Play several days of a sandbox account and sync after each; run it again to go on."""
    settings = read_settings()
    with warehouse_lock(settings):
        world = settings.warehouse_dir / DEMO_MARKER
        if settings.load_path.exists() and not world.exists():
            raise ConfigurationError(
                f"{settings.warehouse_dir} holds the data of a real account; the demo would mix with it.",
                "Set WAREHOUSE__DIR to another directory for the demo.",
            )
        refuse_other_kinds(world, "the demo's world")
        try:
            _play(settings, world, days, users, seed)
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(
                f"The demo's world {world} cannot be read: {error}.",
                f"Move {settings.warehouse_dir} away and run the same command again: the demo begins anew.",
            ) from error
        work_is_done("The days are played and published.")
    _show(settings, world)


def _play(settings: Settings, world: Path, days: int, users: int, seed: int) -> None:
    from pipelines.cli.display import day_bar
    from pipelines.cli.log import open_log
    from pipelines.sandbox import Sandbox

    with (
        open_log() as log,
        Sandbox(path=world, users=users, seed=seed, token=DEMO_TOKEN, calls_per_minute=0) as sandbox,
        day_bar(days) as bar,
    ):
        there = dataclasses.replace(
            settings, base_url=sandbox.base_url, api_token=Token(DEMO_TOKEN), calls_per_minute=0, simulated_time=True
        )
        task = bar.add_task("Simulated days", total=days, facts="first sync")
        if not settings.warehouse_path.exists():
            _sync(there, log)
        for _ in range(days):
            sandbox.advance(days=1)
            report = _sync(there, log)
            bar.update(
                task, advance=1,
                facts=f"{sandbox.now:%Y-%m-%d}: {report.rows_written:,} rows written, {report.calls} calls",
            )  # fmt: skip


def _sync(settings: Settings, log: Log) -> LoadReport:
    report, publication = sync_once(settings, [], log)
    if publication is not None:
        log_problems(log, publication.problems)
    return report


def _show(settings: Settings, world: Path) -> None:
    from pipelines.cli.display import FUNNEL, query_warehouse, say, show_table

    funnel, roll_forward = query_warehouse(settings, FUNNEL, ROLL_FORWARD)
    show_table("Referral funnel per campaign", *funnel)
    say()
    show_table("Reward liability roll-forward, since the first sync", *roll_forward)
    say()
    say(f"Warehouse: {settings.warehouse_path}")
    say(f"Feeds:     {settings.feeds_dir}/*.parquet")
    say(f"Every act: referrals sandbox --file {world} --events")
    say("Open it read-only with any DuckDB client or BI tool; README, 'Asking questions', has queries to begin with.")
