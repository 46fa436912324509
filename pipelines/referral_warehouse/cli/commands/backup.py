"""``backup`` and ``restore``: copy the whole warehouse into another directory, and put such a copy back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.accounts.layout import refuse_other_layout
from referral_warehouse.cli.configuration import read_settings
from referral_warehouse.cli.output import warn, work_is_done
from referral_warehouse.cli.settings_in_use import refuse_missing_warehouse
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.utc_times import iso_utc_seconds
from referral_warehouse.workspace.ownership import refuse_files_of_others

if TYPE_CHECKING:
    from referral_warehouse.operate.backup_directory import BackupDirectory
    from referral_warehouse.settings import Settings

DIRECTORY = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))


@click.command(epilog="Example: referrals backup /mnt/backups --keep 14")
@DIRECTORY
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Remove all but the newest N backups afterwards.")
@click.option("--verify", is_flag=True, help="Make no backup: read all backups in DIR completely and report damage.")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
@account_option
def backup(directory: Path, keep: int | None, verify: bool, as_json: bool) -> None:
    """Copy the whole warehouse into a new folder in DIR, also while syncs run; what did not change is not copied."""
    from referral_warehouse.operate.backup_directory import backup_directory

    settings = read_settings()
    place = backup_directory(settings, directory)
    if verify:
        if keep is not None:
            raise ConfigurationError("--verify makes no backup, so --keep cannot be used.", "Run them one by one.")
        _verify(settings, place, as_json=as_json)
        return
    from referral_warehouse.cli.console import say, say_json
    from referral_warehouse.operate.backup import make_backup

    refuse_files_of_others(settings.warehouse_dir)
    refuse_other_layout(settings)
    refuse_missing_warehouse(settings)
    made = make_backup(settings, place, keep)
    work_is_done(f"The backup {made.folder.name} is made.")
    for problem in made.problems:
        warn("backup", problem)
    if as_json:
        say_json({
            "backup": made.folder.name, "folder": str(made.folder), "snapshot": made.manifest.snapshot,
            "files": len(made.manifest.files), "bytes": made.manifest.size, "copied_bytes": made.copied,
            "shared_bytes": made.shared,
        })  # fmt: skip
    else:
        say(f"Backup: {made.folder} ({_megabytes(made.copied)} copied, {_megabytes(made.shared)} shared)")


def _verify(settings: Settings, place: BackupDirectory, *, as_json: bool) -> None:
    from referral_warehouse.cli.console import say, say_json
    from referral_warehouse.operate.backup_directory import refuse_damaged
    from referral_warehouse.operate.backup_verification import damages_of

    read = {name: damages_of(place.root / name) for name in place.names()}
    damages = {name: found for name, found in read.items() if (place.root / name).is_dir()}  # `--keep` may remove some
    names = list(damages)
    if not names:
        place.folder(None)  # which raises: there is none
    _remember_verified(settings, place, names[-1], damages[names[-1]])
    if as_json:
        say_json({"backups": [{"backup": name, "damages": found} for name, found in damages.items()]})
    else:
        for name, found in damages.items():
            say(f"{name}: {'whole' if not found else 'damaged'}")
            for damage in found:
                say(f"  {damage}")
    wrong = [name for name, found in damages.items() if found]
    whole = [name for name in names if name not in wrong]
    refuse_damaged(
        [damages[name][0] for name in wrong], f"{len(wrong)} of {len(names)} backups are damaged",
        f"Use the newest whole one, {whole[-1]}, and remove the damaged ones." if whole else
        "Make a new one with `referrals backup DIR`, in another directory.",
    )  # fmt: skip


def _remember_verified(settings: Settings, place: BackupDirectory, name: str, damages: list[str]) -> None:
    """Record the result for the newest backup in the warehouse of the settings, if that is this user's own."""
    from referral_warehouse.operate.known_backups import BackupRecord, read_records, remember
    from referral_warehouse.operate.recorder import utc_now

    known = read_records(settings.state_dir).get(place.root)
    if known is None or settings.state_dir.stat().st_uid != os.geteuid():
        return
    record = BackupRecord(known.newest, name, iso_utc_seconds(utc_now()), damages[0] if damages else None)
    for problem in remember(settings.state_dir, {place.root: record}):
        warn("backup", problem)


@click.command(epilog="Example: referrals restore /mnt/backups --replace")
@DIRECTORY
@click.option("--backup", "name", metavar="NAME", help="The backup to restore; the newest without it.")
@click.option("--replace", is_flag=True, help="Move the data of the directory aside first; nothing is deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
@account_option
def restore(directory: Path, name: str | None, replace: bool, as_json: bool) -> None:
    """Put a backup of DIR into the warehouse directory, after it was verified. The next sync continues from there."""
    from referral_warehouse.cli.console import say, say_json
    from referral_warehouse.cli.restored_people import erased_afterwards
    from referral_warehouse.cli.run_logging import open_log
    from referral_warehouse.operate.backup_directory import backup_directory
    from referral_warehouse.operate.known_backups import BackupRecord, read_records, remember
    from referral_warehouse.operate.restore import restore_backup

    settings = read_settings()
    refuse_files_of_others(settings.warehouse_dir)
    refuse_other_layout(settings)
    place, known = backup_directory(settings, directory), read_records(settings.state_dir)
    with open_log(), erased_afterwards(settings):
        done = restore_backup(settings, place, name, is_replacing=replace)
        work_is_done(f"The backup {done.backup} is restored.")
    known.setdefault(place.root, BackupRecord(done.backup))
    for problem in [*done.problems, *remember(settings.state_dir, known)]:
        warn("restore", problem)
    if as_json:
        say_json({
            "backup": done.backup, "snapshot": done.snapshot, "is_completion": done.is_completion,
            "aside": [str(path) for path in done.aside],
        })  # fmt: skip
        return
    begun = "The restore that was interrupted is complete: backup" if done.is_completion else "Restored: backup"
    say(f"{begun} {done.backup} in {settings.warehouse_dir}")
    for path in done.aside:
        say(f"What was there before is in {path}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
