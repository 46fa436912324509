"""The lake in a run: it is locked and tested before anything is read from the API, and published to at the end.

Failures at the end are warnings, because the snapshot is published by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from referral_warehouse.display_text import LINE_COLUMNS, one_line
from referral_warehouse.errors import ReferralsError
from referral_warehouse.events import log_event, log_task, log_warning
from referral_warehouse.redaction import redact
from referral_warehouse.settings import Settings

if TYPE_CHECKING:
    from referral_warehouse.warehouse.lake.publication import LakePublication


@contextmanager
def locked_lake(settings: Settings) -> Iterator[Callable[[], None]]:
    """Lock the lake for the length of a ``with``, if there is one, and find out whether it can be used.

    Yields: a function that raises LakeUnavailable where the lock was lost meanwhile.
    Raises: AnotherSyncRunning when a sync on any machine has the lake; ConfigurationError, LakeUnavailable.
    """
    if not settings.has_lake:
        yield lambda: None
        return
    from referral_warehouse.warehouse.lake.connection import open_lake
    from referral_warehouse.warehouse.lake.faults import LakeInUse, explained
    from referral_warehouse.warehouse.lake.lock import lake_lock
    from referral_warehouse.warehouse.lake.publication import refuse_other_publisher
    from referral_warehouse.warehouse.lake.state import lake_state

    with lake_lock(settings) as refuse_lost_lock:
        try:
            with open_lake(settings) as lake, explained(settings, "The lake cannot be read"):
                if lake is not None:
                    refuse_other_publisher(settings, lake_state(lake))
        except LakeInUse:  # by readers of a DuckDB file, which may have ended when there is something to publish
            pass
        yield refuse_lost_lock


def publish_lake(settings: Settings, refuse_lost_lock: Callable[[], None]) -> None:
    """Publish the snapshot to the lake, if one is set, and maintain the lake.

    The snapshot is already published, so a failure is only a warning; the next sync completes it.
    """
    if not settings.has_lake:
        return
    from referral_warehouse.warehouse.lake.record import LakeRecord, read_record, write_record

    known = read_record(settings)
    try:
        publication = _publish(settings, refuse_lost_lock)
    except Exception as error:
        why = error.advice if isinstance(error, ReferralsError) else f"{type(error).__name__}: {error}"
        problem = one_line(redact(why), LINE_COLUMNS).rstrip(".")
        log_task("lake", problem, type(error).__name__)
        log_warning(
            "warehouse", "lake",
            f"the lake does not have this publication yet: {problem}; readers there keep what they have, and the next "
            "sync publishes it",
        )  # fmt: skip
        record = replace(known, problem=problem)
    else:
        log_task("lake")
        record = known if publication is None else LakeRecord(known.catalog, *publication)
    if record != known:
        try:
            write_record(settings, record)
        except OSError as error:
            log_warning("warehouse", "lake", f"the publication to the lake could not be recorded: {error}")


def _publish(settings: Settings, refuse_lost_lock: Callable[[], None]) -> tuple[int, str] | None:
    """Publish, and maintain the lake. Returns: the number and the checksum of what the lake shows; None for nothing."""
    from referral_warehouse.warehouse.lake.catalog_file import clean_catalog_file
    from referral_warehouse.warehouse.lake.connection import open_lake
    from referral_warehouse.warehouse.lake.faults import explained
    from referral_warehouse.warehouse.lake.maintenance import maintain
    from referral_warehouse.warehouse.lake.publication import publish_to_lake
    from referral_warehouse.warehouse.pins import pinned_numbers
    from referral_warehouse.warehouse.published_snapshot import published_snapshot

    wanted = published_snapshot(settings)
    if wanted is None:
        return None
    with open_lake(settings, create=True) as lake:
        if lake is None:
            return None
        with explained(settings, "The snapshot cannot be published to the lake"):
            publication = publish_to_lake(lake, settings, wanted, refuse_lost_lock)
            _log(settings, publication)
        done = maintain(lake, settings, pinned_numbers(settings.state_dir), compact=publication.is_new)
    left = clean_catalog_file(settings) if done.expired else None
    for problem in (*done.problems, *([] if left is None else [left])):
        log_warning("warehouse", "lake", f"the lake was published, but not all of it was cleaned up: {redact(problem)}")
    return wanted.number, wanted.sha256


def _log(settings: Settings, publication: LakePublication) -> None:
    if publication.is_new:
        log_event(
            "warehouse", "lake",
            f"snapshot {publication.snapshot} is in the lake of {settings.lake_catalog} ({publication.written} of "
            f"{publication.tables} tables were written)",
            snapshot=publication.snapshot, tables=publication.written,
        )  # fmt: skip


def lake_facts(settings: Settings) -> dict[str, Any] | None:
    """The lake for ``referrals status``, from the record in this directory; None where no lake is set."""
    if not settings.has_lake:
        return None
    from referral_warehouse.warehouse.lake.record import read_record
    from referral_warehouse.warehouse.published_snapshot import published_snapshot

    record, wanted = read_record(settings), published_snapshot(settings)
    return {
        "catalog": str(settings.lake_catalog), "data": str(settings.lake_data), "snapshot": record.snapshot,
        "is_current": wanted is not None and wanted.sha256 == record.manifest_sha256, "problem": record.problem,
    }  # fmt: skip


def lake_sentence(facts: dict[str, Any]) -> str:
    """The line of ``referrals status`` about the lake."""
    where = f"Lake: {facts['catalog']}, data in {facts['data']}"
    if facts["is_current"]:
        return f"{where}: shows snapshot {facts['snapshot']}."
    shows = "nothing yet" if facts["snapshot"] is None else f"snapshot {facts['snapshot']}"
    why = f" ({facts['problem']})" if facts["problem"] else ""
    return f"{where}: shows {shows}, not the published snapshot{why}. Next: Run `referrals sync`, which completes it."
