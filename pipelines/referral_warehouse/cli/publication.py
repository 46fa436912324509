"""Publishes a draft with its description (``schema.json``), which the package ``warehouse`` must not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings
    from referral_warehouse.warehouse.build import BuildReport
    from referral_warehouse.warehouse.publish import Publication


def publish_draft(
    settings: Settings, report: BuildReport, *, accept_shorter_history: bool = False, accept_deletions: bool = False
) -> Publication:
    """Publish a draft, after older snapshots are made to follow the policy of personal data. Raises: as ``publish``."""
    from referral_warehouse.cli.erasing import erase_requested
    from referral_warehouse.warehouse.publish import publish

    erase_requested(settings)
    return publish(
        settings, report, accept_shorter_history=accept_shorter_history, accept_deletions=accept_deletions,
        companions=[describe_snapshot],
    )  # fmt: skip


def describe_snapshot(connection: duckdb.DuckDBPyConnection, catalog: str, folder: Path) -> None:
    """Write ``schema.json``."""
    from referral_warehouse.consume.description.schema_json import write_schema
    from referral_warehouse.workspace.access import Access
    from referral_warehouse.workspace.current_snapshot import DESCRIPTION

    write_schema(folder / DESCRIPTION, connection, catalog, Access())


def bring_to_readers(settings: Settings, refuse_lost_lock: Callable[[], None]) -> None:
    """Deliver what is published to the lake, to the place of delivered feeds and to destinations, where they are set.

    The snapshot is already published, so failures are only warnings.
    """
    from referral_warehouse.cli.feed_delivery import deliver_published
    from referral_warehouse.cli.lake import publish_lake
    from referral_warehouse.cli.table_delivery import deliver_after_publication

    publish_lake(settings, refuse_lost_lock)
    deliver_published(settings)
    deliver_after_publication(settings)
