"""``status`` of several accounts: whether what is published of all is fresh, and how each account is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from referral_warehouse.cli.accounts.choice import named_for
from referral_warehouse.cli.backup_status import backup_facts, backup_sentence
from referral_warehouse.cli.lake import lake_facts, lake_sentence
from referral_warehouse.cli.settings_in_use import in_use_facts, print_in_use
from referral_warehouse.cli.table_delivery import destination_facts, destination_sentence
from referral_warehouse.operate.outcomes import moment
from referral_warehouse.settings import Settings
from referral_warehouse.settings.model import of_account
from referral_warehouse.workspace.current_snapshot import public_database

if TYPE_CHECKING:
    from referral_warehouse.operate.health import Health

OWED = """
select unit, account, sum(owed_count) as owed_count, sum(owed_value) as owed_value
from marts.reward_liability
group by unit, account
order by unit, account
"""
COLUMNS = ("account", "state", "data_as_of", "snapshot", "last_error")


def show_together(settings: Settings, max_age_s: int | None, *, as_json: bool) -> tuple[Health, int]:
    """Show all accounts once.

    Returns: the health of what is published together, and the exit code: its own, or else that of the first account
    that is not well.
    """
    from referral_warehouse.cli.console import say, say_json, say_paragraph, show_table
    from referral_warehouse.operate.health import UNPUBLISHED, read_health
    from referral_warehouse.operate.recorder import utc_now
    from referral_warehouse.operate.report import facts, sentences
    from referral_warehouse.warehouse.published import refuse_unreadable

    now = utc_now()
    health = read_health(settings, now, max_age_s)
    accounts = {name: read_health(of_account(settings, name), now, max_age_s) for name in settings.accounts}
    lake, destinations = lake_facts(settings), destination_facts(settings)
    exit_code = health.exit_code or next((one.exit_code for one in accounts.values() if one.exit_code), 0)
    if not as_json:
        for text in sentences(health, now):
            say_paragraph(text)
        print_in_use(settings)
        if lake is not None:
            say_paragraph(lake_sentence(lake))
        for destination in destinations:
            say_paragraph(destination_sentence(destination))
        say()
        show_table("Accounts", COLUMNS, [_row(name, one) for name, one in accounts.items()])
        for name, one in accounts.items():
            if (failure := one.history.last_failure) is not None:
                step = "" if failure.next_step is None else f" Next: {failure.next_step}"
                say_paragraph(f"{name}: {failure.message or failure.error or failure.result}{step}")
            if (backups := backup_facts(of_account(settings, name), now)) is not None:
                say_paragraph(f"{name}: {named_for(name, backup_sentence(backups))}")
    refuse_unreadable(settings)
    owed = None if health.state == UNPUBLISHED or health.manifest is None else _owed(settings, health)
    if as_json:
        say_json({
            **facts(health, settings.warehouse_dir),
            "accounts": {name: _facts(settings, name, one, now) for name, one in accounts.items()},
            "warehouse": str(public_database(settings.published_dir)),
            "snapshot": (health.manifest or {}).get("snapshot"),
            **({} if lake is None else {"lake": lake}),
            **({"destinations": destinations} if destinations else {}),
            **in_use_facts(settings),
            "liability": [] if owed is None else [dict(zip(owed[0], row, strict=True)) for row in owed[1]],
        })  # fmt: skip
    elif owed is not None and health.manifest is not None:
        say()
        say_paragraph(f"Snapshot {health.manifest['snapshot']} of {public_database(settings.published_dir)}")
        say()
        show_table("Owed now", *owed)
    return health, exit_code


def _owed(settings: Settings, health: Health) -> Any:
    """What is owed by unit and account; None in a snapshot of before there were several accounts."""
    from referral_warehouse.cli.console import query_warehouse

    return None if "accounts" not in (health.manifest or {}) else query_warehouse(settings, OWED)[0]


def _row(name: str, health: Health) -> tuple[Any, ...]:
    manifest = health.manifest or {}
    failure = health.history.last_failure
    as_of = manifest.get("current_at") or manifest.get("synced_at")
    shown = "" if as_of is None else f"{moment(as_of):%Y-%m-%d %H:%M:%S}"
    error = "" if failure is None else failure.error or failure.result
    return (name, health.state, shown, manifest.get("snapshot") or "", error)


def _facts(settings: Settings, name: str, health: Health, now: datetime) -> dict[str, Any]:
    from referral_warehouse.operate.report import facts

    manifest = health.manifest or {}
    return {
        **facts(health, of_account(settings, name).warehouse_dir),
        **{key: manifest.get(key) for key in ("snapshot", "synced_at", "current_at")},
        "backups": backup_facts(of_account(settings, name), now),
    }
