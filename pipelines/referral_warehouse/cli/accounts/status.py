"""``status`` of several accounts: the freshness of the joint publication, and the health of each account."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from referral_warehouse.cli.accounts.choice import named_for
from referral_warehouse.cli.backup_status import backup_facts, backup_sentence
from referral_warehouse.cli.settings_in_use import in_use_facts
from referral_warehouse.cli.status_head import health_shown, places_facts, say_head
from referral_warehouse.settings import Settings
from referral_warehouse.settings.model import accounts_of
from referral_warehouse.utc_times import parse_utc
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
    with a problem.
    """
    from referral_warehouse.cli.console import say, say_json, say_paragraph, show_table
    from referral_warehouse.operate.health import DAMAGED, UNPUBLISHED, read_health
    from referral_warehouse.operate.recorder import utc_now
    from referral_warehouse.operate.report import facts

    now = utc_now()
    health = health_shown(settings, now, max_age_s)
    accounts = [(own, read_health(own, now, max_age_s)) for own in accounts_of(settings)]
    places = places_facts(settings)
    exit_code = health.exit_code or next((one.exit_code for _, one in accounts if one.exit_code), 0)
    if not as_json:
        say_head(settings, health, now, places)
        say()
        show_table("Accounts", COLUMNS, [_row(own.account, one) for own, one in accounts])
        for own, one in accounts:
            if (failure := one.history.last_failure) is not None:
                step = "" if failure.next_step is None else f" Next: {failure.next_step}"
                say_paragraph(f"{own.account}: {failure.message or failure.error or failure.result}{step}")
            if (backups := backup_facts(own, now)) is not None:
                say_paragraph(f"{own.account}: {named_for(own.account, backup_sentence(backups))}")
    is_readable = health.state not in (UNPUBLISHED, DAMAGED) and health.manifest is not None
    owed = _owed(settings, health) if is_readable else None
    if as_json:
        say_json({
            **facts(health, settings.warehouse_dir),
            "accounts": {own.account: _facts(own, one, now) for own, one in accounts},
            "warehouse": str(public_database(settings.published_dir)),
            "snapshot": (health.manifest or {}).get("snapshot"),
            **places,
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
    """What is owed by unit and account; None in a snapshot from before the directory had several accounts."""
    from referral_warehouse.cli.console import query_warehouse

    return None if "accounts" not in (health.manifest or {}) else query_warehouse(settings, OWED)[0]


def _row(name: str, health: Health) -> tuple[Any, ...]:
    manifest = health.manifest or {}
    failure = health.history.last_failure
    as_of = manifest.get("current_at") or manifest.get("synced_at")
    shown = "" if as_of is None else f"{parse_utc(as_of):%Y-%m-%d %H:%M:%S}"
    error = "" if failure is None else failure.error or failure.result
    return (name, health.state, shown, manifest.get("snapshot") or "", error)


def _facts(settings: Settings, health: Health, now: datetime) -> dict[str, Any]:
    """An account, for programs."""
    from referral_warehouse.operate.report import facts

    manifest = health.manifest or {}
    return {
        **facts(health, settings.warehouse_dir),
        **{key: manifest.get(key) for key in ("snapshot", "synced_at", "current_at")},
        "backups": backup_facts(settings, now),
    }
