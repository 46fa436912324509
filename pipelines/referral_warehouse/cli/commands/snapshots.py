"""``snapshots``: lists what is published and kept, in the directory and in the lake; pins keep one until they are
removed."""

from __future__ import annotations

from typing import Any

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.output import warn, work_is_done
from referral_warehouse.cli.settings_in_use import refuse_missing_warehouse
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError, ReferralsError
from referral_warehouse.settings import Settings

COLUMNS = ("snapshot", "synced_at", "built_at", "in_directory", "lake_version", "is_pinned", "is_current")


@click.command(epilog="Example: referrals snapshots --pin 12")
@click.option("--pin", type=click.IntRange(1), metavar="N", help="Keep snapshot N until it is unpinned.")
@click.option("--unpin", type=click.IntRange(1), metavar="N", help="Remove the pin of snapshot N.")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
@account_option
def snapshots(pin: int | None, unpin: int | None, as_json: bool) -> None:
    """List the published snapshots that are kept; --pin keeps one whatever its age, --unpin ends that.

    With a lake, lake_version is the number for AT (VERSION => ...).
    """
    from referral_warehouse.cli.console import say_json, show_table
    from referral_warehouse.warehouse.pins import UNKNOWN, UNKNOWN_STEP, pinned_numbers

    settings = read_settings(may_be_together=True)
    refuse_missing_warehouse(settings)
    if pin is not None or unpin is not None:
        _change(settings, pin, unpin)
        work_is_done("The pins are changed.")
    rows, problem = _rows(settings)
    if as_json:
        say_json({"snapshots": rows, "lake_problem": problem})
        return
    show_table("Snapshots", COLUMNS, [tuple(row[name] for name in COLUMNS) for row in rows])
    if pinned_numbers(settings.state_dir) is None:
        warn("snapshots", f"{UNKNOWN}. {UNKNOWN_STEP}")
    if problem is not None:
        warn("lake", f"the versions in the lake are not shown: {problem}")


def _change(settings: Settings, pin: int | None, unpin: int | None) -> None:
    """Pin and unpin. Raises: ConfigurationError when there is no such snapshot or pin; AnotherSyncRunning."""
    from referral_warehouse.warehouse.pins import UNKNOWN, UNKNOWN_STEP, pinned_numbers, write_pins
    from referral_warehouse.workspace.lock import warehouse_lock

    with warehouse_lock(settings.warehouse_dir):
        pins = pinned_numbers(settings.state_dir)
        if pins is None:
            raise ConfigurationError(f"{UNKNOWN}.", UNKNOWN_STEP)
        if pin is not None:
            rows, problem = _rows(settings)
            if pin not in {row["snapshot"] for row in rows}:
                kept = ", ".join(str(row["snapshot"]) for row in rows) or "none"
                unknown = f" The lake could not be read: {problem}" if problem else ""
                raise ConfigurationError(
                    f"There is no snapshot {pin}; those that are kept: {kept}.{unknown}",
                    "Pin one of those that `referrals snapshots` lists.",
                )
            pins |= {pin}
        if unpin is not None:
            if unpin not in pins:
                raise ConfigurationError(f"Snapshot {unpin} is not pinned.", "`referrals snapshots` lists the pins.")
            pins -= {unpin}
        write_pins(settings.state_dir, pins)


def _rows(settings: Settings) -> tuple[list[dict[str, Any]], str | None]:
    """All snapshots, oldest first; why those of the lake are not among them, if so."""
    from referral_warehouse.warehouse.manifest import read_manifest
    from referral_warehouse.warehouse.pins import pinned_numbers
    from referral_warehouse.warehouse.snapshots import snapshot_numbers
    from referral_warehouse.workspace.current_snapshot import MANIFEST, current_number, folder_name

    found: dict[int, dict[str, Any]] = {}
    for number in snapshot_numbers(settings):
        manifest = read_manifest(settings.snapshots_dir / folder_name(number) / MANIFEST) or {}
        found[number] = {"synced_at": manifest.get("synced_at"), "built_at": manifest.get("built_at")}
    directory = set(found)
    versions, problem = _lake_versions(settings)
    for number, (_, synced_at) in versions.items():
        found.setdefault(number, {"synced_at": synced_at, "built_at": None})
    pins, current = pinned_numbers(settings.state_dir), current_number(settings.published_dir)
    rows = [
        {
            "snapshot": number, **found[number], "in_directory": number in directory,
            "lake_version": versions[number][0] if number in versions else None,
            "is_pinned": None if pins is None else number in pins,
            "is_current": number == current,
        }
        for number in sorted(found)
    ]  # fmt: skip
    return rows, problem


def _lake_versions(settings: Settings) -> tuple[dict[int, tuple[int, str | None]], str | None]:
    if not settings.has_lake:
        return {}, None
    from referral_warehouse.warehouse.lake.connection import open_lake
    from referral_warehouse.warehouse.lake.faults import explained
    from referral_warehouse.warehouse.lake.state import lake_snapshots

    try:
        with open_lake(settings) as lake, explained(settings, "The lake cannot be read"):
            found = [] if lake is None else lake_snapshots(lake)
    except ReferralsError as error:
        return {}, error.advice
    return {one.snapshot: (one.version, one.synced_at) for one in found}, None
