"""Removes personal values from published snapshots, where the policy requires it or a person is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from referral_warehouse.cli.published_personal import on_published
from referral_warehouse.errors import DataRefused
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.removal import remove

if TYPE_CHECKING:
    from referral_warehouse.warehouse.snapshot_rewriting import Rewritten

Change = Callable[[Any, Any], Any]
"""Takes the schema of a raw table and its rows (Arrow), and returns the changed rows."""


def erase_requested(settings: Settings) -> list[Rewritten]:
    """Remove fields from all kept snapshots, as a change of policy requested; then clear the request."""
    from referral_warehouse.load.privacy.requested_removals import clear_requests, requested_removals

    places = requested_removals(settings)
    if not places:
        return []
    from referral_warehouse.load.privacy.policy import Policy
    from referral_warehouse.settings.privacy import DROP

    found = erase_published(settings, Policy(dict.fromkeys(places, DROP)).rows, "a change of PRIVACY__MODE or __FIELDS")
    clear_requests(settings)
    return found


def erase_published(settings: Settings, change: Change, reason: str) -> list[Rewritten]:
    """Rewrite every kept snapshot, and have older delivered sets removed by the next delivery.

    Where several accounts are published together, their snapshots are rewritten too: the rows of this account, and
    those of accounts that are not in the settings any more, one of which may be this one under an earlier name.

    Raises: DataRefused where a snapshot cannot be read, or where more than personal columns would change. That snapshot
    is unchanged then, and the others are rewritten.
    """
    rewritten = _rewrite(settings, on_published(change), reason)
    if settings.together is not None:
        from referral_warehouse.operate.account_migration import adopted_account
        from referral_warehouse.warehouse.accounts.publication import publication_lock
        from referral_warehouse.warehouse.accounts.rows import rows_of_account

        together = settings.together
        with publication_lock(together):
            # If it is unknown which account's rows earlier snapshots have, they are treated as this account's: too much
            # may be erased, never too little.
            others = {account for account in together.accounts if account != settings.account}
            of_account = rows_of_account(
                others, on_published(change), has_unnamed=adopted_account(together) not in others
            )
            rewritten += _rewrite(together, of_account, reason)
            for draft in together.warehouse_dir.glob("draft*"):  # of a publication that was killed
                remove(draft)
    return rewritten


def _rewrite(settings: Settings, change: Callable[[str, Any], Any], reason: str) -> list[Rewritten]:
    from referral_warehouse.operate.delivered_sets import withdraw_sets
    from referral_warehouse.warehouse.snapshot_rewriting import rewrite_snapshots
    from referral_warehouse.warehouse.snapshots import snapshot_numbers

    if settings.deliver_to is not None and (numbers := snapshot_numbers(settings)):
        withdraw_sets(settings.state_dir, max(numbers))
    try:
        rewritten, failures = rewrite_snapshots(settings, change, reason)
    except OSError as error:
        raise _refused("The published snapshots", error) from error
    for number, failure in failures.items():
        raise _refused(f"Snapshot {number}", failure) from failure
    return rewritten


def _refused(what: str, error: Exception) -> DataRefused:
    why = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return DataRefused(
        f"{what} could not be rewritten ({why}).",
        "Correct that, or remove the folder of a damaged older snapshot, and run the same command again: it continues.",
    )
