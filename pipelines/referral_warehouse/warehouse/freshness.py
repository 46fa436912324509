"""Decides whether the published snapshot is still current, so that an idle sync need not build it again.

Knows the manifest and the version of the load file; never changes a snapshot or a feed. How old single rows are is in
``ops.freshness``.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from referral_warehouse.utc_times import as_utc, iso_utc, parse_utc

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings


def refresh(settings: Settings, observed_at: datetime | None) -> bool:
    """Record in the manifest that the snapshot was still current at ``observed_at`` (the server's time; naive is UTC).

    ``synced_at`` does not change: it is the newest time in the snapshot's ``ops.runs``, from which ages in marts count.

    Returns: False, with the manifest unchanged, where a build is needed: nothing published, an incomplete publication,
        missing or changed published files, loaded packages, changed models, reward units, terms of units, settings of
        personal columns or streams, changes that waited for a sync of both reward lists, a new day (ages and daily
        tables change), another group of readers, or a file that a reader wrote beside the snapshot.
    """
    from referral_warehouse.warehouse.manifest import SCHEMA_VERSION, read_manifest, write_manifest
    from referral_warehouse.warehouse.models import models_version
    from referral_warehouse.warehouse.personal import personal_state
    from referral_warehouse.warehouse.published_files import is_untouched
    from referral_warehouse.warehouse.snapshots import access_of
    from referral_warehouse.workspace.current_snapshot import current_number

    manifest = read_manifest(settings.manifest_path)
    if observed_at is None or manifest is None:
        return False
    number = current_number(settings.published_dir)
    if number is None or manifest["snapshot"] != number:
        return False
    is_current = (
        manifest.get("schema_version") == SCHEMA_VERSION
        and manifest.get("models_version") == models_version()
        and manifest.get("reward_units") == dict(settings.reward_units)
        and manifest.get("unit_terms") == settings.unit_terms
        and manifest.get("personal_columns") == personal_state(settings)
        and manifest.get("streams") == (list(settings.streams) or None)
        and _same_day(manifest.get("synced_at"), observed_at)
        and not manifest.get("waiting_changes")
        and manifest.get("load_version") is not None
        and manifest["load_version"] == _current_load_version(settings)
    )
    try:
        if not is_current or not is_untouched(settings, manifest):
            return False
        newest = max(parse_utc(manifest.get("current_at") or manifest["synced_at"]), as_utc(observed_at))
        write_manifest(settings.manifest_path, {**manifest, "current_at": iso_utc(newest)}, access_of(settings))
    except OSError:
        return False  # the publication that follows warns of the reason
    return True


def _current_load_version(settings: Settings) -> str | None:
    import duckdb

    from referral_warehouse.warehouse.connection import attach_load, load_version

    if not settings.load_path.is_file():
        return None
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        attach_load(connection, settings.load_path)
        return load_version(connection)


def _same_day(synced_at: Any, observed_at: datetime) -> bool:
    return isinstance(synced_at, str) and parse_utc(synced_at).date() == as_utc(observed_at).date()
