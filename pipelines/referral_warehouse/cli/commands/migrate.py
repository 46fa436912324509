"""``migrate``: copies the kept snapshots into the lake as its versions, or compares both before the lake is left."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.output import work_is_done
from referral_warehouse.cli.settings_in_use import refuse_missing_warehouse
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError, DataRefused, NothingPublished

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings
    from referral_warehouse.warehouse.lake.migration import Migration

TO_LAKE, TO_FILES, TO_ACCOUNTS = "ducklake", "duckdb", "accounts"


@click.command(epilog="Example: referrals migrate --to ducklake")
@click.option(
    "--to", "target", type=click.Choice([TO_LAKE, TO_FILES, TO_ACCOUNTS]), required=True, help="What to change to."
)
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
@account_option
def migrate(target: str, as_json: bool) -> None:
    """Copy the kept snapshots into the lake as its versions, or compare both before you leave the lake.

    Every version in the lake is compared with its snapshot. Nothing is removed, and a migration that was interrupted
    continues with the same command. With `--to accounts --account NAME`, the data of the directory becomes that of
    one of several accounts.
    """
    from referral_warehouse.cli.console import say, say_json

    settings = read_settings(may_be_together=target != TO_ACCOUNTS)
    if target == TO_ACCOUNTS:
        _give_to_account(settings, as_json=as_json)
        return
    refuse_missing_warehouse(settings)
    if not settings.has_lake:
        raise ConfigurationError(
            "No lake is set.",
            "Set WAREHOUSE__STORAGE=ducklake, WAREHOUSE__LAKE_CATALOG and WAREHOUSE__LAKE_DATA; `--to duckdb` needs "
            "them too, because it reads the lake.",
        )
    found = _migrate(settings, target)
    if found.differing:
        which = "; ".join(f"snapshot {number}: {', '.join(tables)}" for number, tables in found.differing.items())
        raise DataRefused(
            f"Versions in the lake differ from their snapshots ({which}).",
            "Leave WAREHOUSE__STORAGE as it was before. Set WAREHOUSE__LAKE_CATALOG and WAREHOUSE__LAKE_DATA to a new "
            "catalog and an empty place, and run the same command again.",
        )
    work_is_done("The history is in the lake." if target == TO_LAKE else "The lake was compared.")
    if as_json:
        say_json({"to": target, **asdict(found)})
        return
    for line in _lines(found, target):
        say(line)


def _give_to_account(settings: Settings, *, as_json: bool) -> None:
    """Move the data of the directory to the chosen account. Raises: ConfigurationError."""
    from referral_warehouse.cli.accounts.migration import give_to_account
    from referral_warehouse.cli.console import say, say_json

    is_moved = give_to_account(settings)
    work_is_done(f"The directory is that of several accounts, one of them {settings.account}.")
    if as_json:
        say_json({"to": TO_ACCOUNTS, "account": settings.account, "moved": is_moved})
        return
    if is_moved:
        say(f"The data is now that of the account {settings.account}: {settings.warehouse_dir}")
    else:
        say("There is nothing to move.")
    say("Next: Run `referrals sync`, which syncs all accounts and publishes them together.")


def _migrate(settings: Settings, target: str) -> Migration:
    from referral_warehouse.cli.lake import locked_lake
    from referral_warehouse.warehouse.lake.connection import open_lake
    from referral_warehouse.warehouse.lake.faults import explained
    from referral_warehouse.warehouse.lake.migration import Migration, compare_history, take_history
    from referral_warehouse.warehouse.lake.record import LakeRecord, write_record
    from referral_warehouse.warehouse.lake.state import lake_state
    from referral_warehouse.workspace.current_snapshot import is_published
    from referral_warehouse.workspace.lock import warehouse_lock

    if not is_published(settings.published_dir):
        raise NothingPublished(f"Nothing is published in {settings.published_dir} yet.")
    found = Migration()
    with (
        warehouse_lock(settings.warehouse_dir),
        locked_lake(settings) as refuse_lost_lock,
        open_lake(settings, create=target == TO_LAKE) as lake,
    ):
        if lake is None:
            raise ConfigurationError(
                f"There is no lake in {settings.lake_catalog}, so that nothing can be compared.",
                "Unset WAREHOUSE__STORAGE to publish snapshots alone; if there is a lake, correct "
                "WAREHOUSE__LAKE_CATALOG.",
            )
        with explained(settings, "The snapshots cannot be compared with the lake"):
            if target == TO_LAKE:
                found = take_history(lake, settings, refuse_lost_lock)
            compare_history(lake, settings, found)
            state = lake_state(lake)
        if state is not None:
            write_record(settings, LakeRecord(str(settings.lake_catalog), state.snapshot, state.manifest_sha256))
    return found


def _lines(found: Migration, target: str) -> list[str]:
    """What was done and what comes next, a line each."""
    lines = []
    if target == TO_LAKE:
        lines.append(
            f"Snapshots copied into the lake: {_numbers(found.written)}; already there: {_numbers(found.there)}."
        )
        if found.too_old:
            lines.append(
                f"Not copied: {_numbers(found.too_old)}, which are older than what the lake showed; they stay in the "
                "directory until retention removes them."
            )
    lines.append("Every version in the lake that has a snapshot in the directory is equal to it.")
    if found.only_in_lake:
        lines.append(f"Only in the lake: {_numbers(found.only_in_lake)}; they can be read as long as the lake exists.")
    storage = "they publish to the lake too" if target == TO_LAKE else "they no longer publish to the lake"
    lines.append(f"Next: Set WAREHOUSE__STORAGE={target} for scheduled syncs; {storage}.")
    return lines


def _numbers(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
