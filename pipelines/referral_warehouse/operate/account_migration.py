"""Moves the data of a directory to one of several accounts: private files are moved, snapshots are linked.

What is published stays where readers open it. Each step is a rename or a link, so that the next call completes a
migration that was killed. Opens no database.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.warehouse.accounts.publication import LOCK
from referral_warehouse.warehouse.pins import NAME as PINS
from referral_warehouse.warehouse.published_files import RECORD_NAME
from referral_warehouse.warehouse.publisher import MARK
from referral_warehouse.warehouse.snapshots import USED_NUMBERS, snapshot_numbers
from referral_warehouse.workspace.current_snapshot import DATABASE, FEEDS, MANIFEST, REPORT, folder_name
from referral_warehouse.workspace.directories import FORGOTTEN, FORGOTTEN_JOURNAL
from referral_warehouse.workspace.durable_files import sync_file, write_whole_file
from referral_warehouse.workspace.file_kinds import read_regular

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

JOURNAL, FIRST_ACCOUNT = "account_migration.json", "first_account.json"
COPIED = (PINS, RECORD_NAME, USED_NUMBERS, MARK)
"""Files of the state that record what is published, and by whom. The account and the common directory need them."""
NOT_MOVED = (*COPIED, JOURNAL, FIRST_ACCOUNT, "lock", LOCK)
"""Names in the state that stay where they are."""


def adopted_account(together: Settings) -> str | None:
    """The account whose rows the snapshots without a column ``account`` have; None where nothing was migrated."""
    return _account(together.state_dir / FIRST_ACCOUNT)


def unfinished_account(together: Settings) -> str | None:
    """The account that a migration which is not complete moves the data to; None where there is none."""
    return _account(together.state_dir / JOURNAL)


def adopt(settings: Settings, stays: Collection[str] = ()) -> bool:
    """Move the data of the common directory to an account; the caller holds the lock.

    Args:
        settings: of the account.
        stays: further names in the state that all accounts share and that are not moved.

    Returns: False where there is nothing to move.
    Raises: ConfigurationError where the data is being moved to another account, an erasure is not complete, or the
    account has data already; OSError.
    """
    together = settings.together
    if together is None:
        raise ConfigurationError("The settings have no accounts.", "Add [accounts.<name>] first.")
    begun = unfinished_account(together)
    if begun is None and not together.load_path.exists():
        return False
    _refuse(settings, together, begun)
    write_whole_file(together.state_dir / JOURNAL, json.dumps({"account": settings.account}) + "\n")
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (together.warehouse_dir / settings.warehouse_dir.parent.name).chmod(0o700)
    _link_snapshots(settings, together)
    for path in sorted(together.state_dir.iterdir()):
        target = settings.state_dir / path.name
        if path.name in COPIED and not target.exists():
            _copy(path, target)
        elif path.name not in NOT_MOVED and path.name not in stays:
            path.replace(target)
    for path in sorted(together.warehouse_dir.iterdir()):
        name = path.name
        is_load_file = name.startswith(f"{together.load_path.name}.")
        if name == FORGOTTEN or is_load_file or name.startswith("replaced-"):
            path.replace(settings.warehouse_dir / name)
    if together.load_path.exists():  # last: without it there is nothing to move
        together.load_path.replace(settings.load_path)
    for folder in (settings.state_dir, settings.warehouse_dir, together.warehouse_dir):
        sync_file(folder)
    write_whole_file(together.state_dir / FIRST_ACCOUNT, json.dumps({"account": settings.account}) + "\n")
    (together.state_dir / JOURNAL).unlink()
    return True


def _refuse(settings: Settings, together: Settings, begun: str | None) -> None:
    if begun not in (None, settings.account):
        raise ConfigurationError(
            f"The data of {together.warehouse_dir} is being moved to the account {begun}.",
            f"Run `referrals migrate --to accounts --account {begun}`, which completes it.",
        )
    if (together.warehouse_dir / FORGOTTEN / FORGOTTEN_JOURNAL).exists():
        raise ConfigurationError(
            f"An erasure in {together.warehouse_dir} is not complete.",
            "Run `referrals sync` with the settings of one account, which completes it, and then the same command.",
        )
    if begun is None and settings.load_path.exists():
        raise ConfigurationError(
            f"The account {settings.account} has data of its own in {settings.warehouse_dir}.",
            "Choose the account that the data is of; if that directory was made by mistake, move it away.",
        )


def _link_snapshots(settings: Settings, together: Settings) -> None:
    """Give the account all snapshots that are kept, as links to the same files, or copies on another file system."""
    settings.snapshots_dir.mkdir(mode=0o700, exist_ok=True)
    for number in snapshot_numbers(together):
        source = together.snapshots_dir / folder_name(number)
        for folder, folders, names in os.walk(source):
            target = settings.snapshots_dir / folder_name(number) / Path(folder).relative_to(source)
            target.mkdir(mode=0o700, exist_ok=True)
            for name in names:
                if not (target / name).exists():
                    _link(Path(folder) / name, target / name)
            folders.sort()
            sync_file(target)
    for name in (DATABASE, FEEDS, REPORT):
        link = together.published_dir / name
        if link.is_symlink() and not os.path.lexists(settings.warehouse_dir / name):
            (settings.warehouse_dir / name).symlink_to(link.readlink())
    if (content := read_regular(together.manifest_path)) is not None and not settings.manifest_path.exists():
        write_whole_file(settings.warehouse_dir / MANIFEST, content.decode("utf-8"))


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file; a kill leaves no part of it under its name, which the next call would take for the whole."""
    unfinished = target.with_name(f".{target.name}.new")
    shutil.copy2(source, unfinished)
    unfinished.replace(target)


def _account(path: Path) -> str | None:
    try:
        found = json.loads(read_regular(path) or b"{}").get("account")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None
