"""``status``: shows whether runs succeed, and how fresh and how complete the warehouse is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.backup_status import backup_facts, backup_sentence
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.settings_in_use import in_use_facts
from referral_warehouse.cli.status_head import health_shown, places_facts, say_head
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.current_snapshot import public_database
from referral_warehouse.workspace.ownership import refuse_closed_directory

if TYPE_CHECKING:
    from referral_warehouse.operate.health import Health

RUNS = """
select run_id, command, status, started_at, observed_at, calls_count, error
from ops.runs
order by started_at desc
limit 5
"""
RECONCILED = """
select streams.stream, streams.observed_at, streams.api_count, streams.our_count,
    coalesce(proof.differences_found, 'none') as differences_found, coalesce(proof.repaired_by, '') as repaired_by,
    proof.missing_count + proof.changed_count + proof.vanished_count + proof.reappeared_count as repaired_count,
    coalesce(proof.in_flight, '') as in_flight, streams.rows_written_count, streams.rows_quarantined_count,
    streams.calls_count
from ops.run_streams as streams
left join ops.reconciliation as proof on streams.run_id = proof.run_id and streams.stream = proof.stream
where streams.run_id = (select run_id from ops.runs order by started_at desc limit 1)
order by streams.stream
"""
QUARANTINED = "select count(*) from ops.quarantine where is_open"
LIABILITY = """
select reward_type, unit, sum(due_count) as due_count, sum(due_value) as due_value,
    sum(in_process_count) as in_process_count, sum(in_process_value) as in_process_value
from marts.reward_liability
group by reward_type, unit
order by due_value desc
"""
PUBLISHED = ("snapshot", "synced_at", "current_at", "built_at", "schema_version", "tables")
"""The keys of the manifest that are shown."""
WATCH_S = "5"


@click.command(epilog="Example: referrals status --max-age 3h")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@click.option("--max-age", metavar="AGE", help="Exit with 4 if the data is older, such as 90m, 3h or 2d.")
@click.option(
    "--watch", "watch_s", metavar="[SECONDS]", is_flag=False, flag_value=WATCH_S, type=click.IntRange(1, 86_400),
    help=f"Repeat every {WATCH_S} seconds, or at the given interval, until Ctrl-C.",
)  # fmt: skip
@click.option(
    "--notify",
    "is_alert_sent",
    is_flag=True,
    help="With --max-age: alert the receivers of [notify] if the data is older.",
)
@logging_options
@account_option
@click.pass_context
def status(ctx: click.Context, as_json: bool, max_age: str | None, watch_s: int | None, is_alert_sent: bool) -> None:
    """Show whether runs succeed, how fresh the data is, rows, calls, violations, quarantine and open liabilities.

    Exits with 0 where all is well, with 4 where nothing is published or the data is older than --max-age, and with 5
    where what is published cannot be read. Without --max-age it exits with the code of the last failure where runs
    failed since the last success.
    """
    from referral_warehouse.cli.run_logging import open_log
    from referral_warehouse.cli.watching import watch
    from referral_warehouse.operate.announcements import Announcer
    from referral_warehouse.operate.chat_services import refuse_unusable_services
    from referral_warehouse.operate.durations import parse_duration
    from referral_warehouse.operate.recorder import utc_now
    from referral_warehouse.settings.notify import load_notify_settings

    settings = read_settings(may_be_together=True)
    refuse_closed_directory(settings.warehouse_dir)
    max_age_s = None if max_age is None else parse_duration("--max-age", max_age)
    if is_alert_sent and max_age_s is None:
        raise ConfigurationError(
            "--notify needs --max-age, which says from what age on the data is stale.",
            "Add an age, as in `referrals status --max-age 3h --notify`.",
        )
    notify = load_notify_settings()
    if is_alert_sent:
        refuse_unusable_services(notify)

    def show() -> int:
        if settings.accounts and not settings.account:
            from referral_warehouse.cli.accounts.status import show_together

            health, exit_code = show_together(settings, max_age_s, as_json=as_json)
        else:
            health = _show(settings, max_age_s, as_json=as_json)
            exit_code = health.exit_code
        if is_alert_sent:
            with open_log():
                Announcer(settings, notify, "status").stale(health, utc_now())
        return exit_code

    ctx.exit(show() if watch_s is None else watch(show, watch_s))


def _show(settings: Settings, max_age_s: int | None, *, as_json: bool) -> Health:
    """Show the status once. Returns: the health that was shown."""
    from referral_warehouse.cli.commands.strikes import in_words, strike_facts
    from referral_warehouse.cli.console import say, say_json, say_paragraph
    from referral_warehouse.operate.health import DAMAGED, UNPUBLISHED
    from referral_warehouse.operate.recorder import utc_now
    from referral_warehouse.operate.report import facts

    now = utc_now()
    health = health_shown(settings, now, max_age_s)
    strikes = strike_facts(settings)
    places = places_facts(settings)
    backups = backup_facts(settings, now)
    if not as_json:
        say_head(settings, health, now, places)
        if backups is not None:
            say_paragraph(backup_sentence(backups))
        say(in_words(strikes))
    if as_json:
        found = {
            **facts(health, settings.warehouse_dir),
            "warehouse": str(public_database(settings.published_dir)),
            **strikes,
            **places,
            "backups": backups,
        }
        found |= in_use_facts(settings)
        say_json({**found, **({"snapshot": None} if health.state == UNPUBLISHED else _published(settings, health))})
    elif health.state not in (UNPUBLISHED, DAMAGED):
        _show_tables(settings, health)
    return health


def _published(settings: Settings, health: Health) -> dict[str, Any]:
    """The published snapshot, for programs; of a damaged one, its manifest alone."""
    if health.damage is not None:
        return _manifest(health)
    from referral_warehouse.cli.console import query_warehouse

    runs, reconciled, liability, quarantine = query_warehouse(settings, RUNS, RECONCILED, LIABILITY, QUARANTINED)
    found = {**_manifest(health), "quarantined": quarantine[1][0][0]}
    for name, (columns, rows) in {"runs": runs, "streams": reconciled, "liability": liability}.items():
        found[name] = [dict(zip(columns, row, strict=True)) for row in rows]
    return found


def _show_tables(settings: Settings, health: Health) -> None:
    from referral_warehouse.cli.console import query_warehouse, say, say_paragraph, show_table

    manifest = _manifest(health)
    runs, reconciled, liability, quarantine = query_warehouse(settings, RUNS, RECONCILED, LIABILITY, QUARANTINED)
    say_paragraph(f"Snapshot {manifest['snapshot']} of {public_database(settings.published_dir)}")
    say_paragraph(
        f"Data as of {manifest['synced_at']}, found current at {manifest['current_at'] or manifest['synced_at']}, "
        f"built {manifest['built_at']} (UTC); {quarantine[1][0][0]} rows in quarantine"
    )
    say()
    show_table("Last runs in this snapshot", *runs)
    say()
    show_table("Streams of the last run", *reconciled)
    say()
    show_table("Rows", ("table", "rows"), [(name, found["rows"]) for name, found in manifest["tables"].items()])
    say()
    show_table("Owed now", *liability)


def _manifest(health: Health) -> dict[str, Any]:
    manifest = health.manifest or {"tables": {}}
    return {name: manifest.get(name) for name in PUBLISHED}
