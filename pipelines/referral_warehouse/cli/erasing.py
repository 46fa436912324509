"""Takes personal values out of what was published, where the policy or a forgotten person asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from referral_warehouse.cli.published_personal import on_published
from referral_warehouse.errors import DataRefused
from referral_warehouse.settings import Settings

if TYPE_CHECKING:
    from referral_warehouse.warehouse.snapshot_rewriting import Rewritten

Change = Callable[[Any, Any], Any]
"""Makes new rows of a raw table, given its schema and rows in Arrow."""


def erase_noted(settings: Settings) -> list[Rewritten]:
    """Drop the fields that a change of policy noted from all kept snapshots, once."""
    from referral_warehouse.load.privacy.published_steps import published_is_done, published_steps

    places = published_steps(settings)
    if not places:
        return []
    from referral_warehouse.load.privacy.policy import Policy
    from referral_warehouse.settings.privacy import DROP

    found = erase_published(settings, Policy(dict.fromkeys(places, DROP)).rows, "a change of PRIVACY__MODE or __FIELDS")
    published_is_done(settings)
    return found


def erase_published(settings: Settings, change: Change, reason: str) -> list[Rewritten]:
    """Rewrite every kept snapshot, and have older delivered sets removed by the next delivery.

    Raises: DataRefused where a rewriting would change more than personal columns; that snapshot is as it was.
    """
    import duckdb

    from referral_warehouse.operate.delivered_sets import withdraw_sets
    from referral_warehouse.warehouse.snapshot_rewriting import SnapshotChanged, rewrite_snapshots
    from referral_warehouse.warehouse.snapshots import snapshot_numbers

    if settings.deliver_to is not None and (numbers := snapshot_numbers(settings)):
        withdraw_sets(settings.state_dir, max(numbers))
    try:
        return list(rewrite_snapshots(settings, on_published(change), reason))
    except (SnapshotChanged, duckdb.Error, OSError) as error:
        raise DataRefused(
            f"A published snapshot could not be rewritten ({type(error).__name__}: {str(error).splitlines()[0]}).",
            "Correct that and run the same command again: it continues.",
        ) from error
