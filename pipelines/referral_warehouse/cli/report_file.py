"""Writes the report into the warehouse directory: with every publication if that is set, and after the demo."""

from __future__ import annotations

from pathlib import Path

from referral_warehouse.display_text import one_line
from referral_warehouse.errors import ConfigurationError, ReferralsError
from referral_warehouse.events import log_warning
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.current_snapshot import REPORT, current_database


def add_report(settings: Settings) -> None:
    """Write the report into the folder of the published snapshot, and a link to it beside the link to the warehouse.

    Nothing is done unless ``WAREHOUSE__REPORT`` is set. The snapshot is already published, so a failure is only a
    warning.
    """
    if not settings.report:
        return
    from referral_warehouse.consume.report import write_report
    from referral_warehouse.warehouse.public_names import place_link
    from referral_warehouse.warehouse.snapshots import access_of

    try:
        path = _path(settings)
        write_report(settings, path)
        access_of(settings).frozen_file(path)
        place_link(settings.published_dir / REPORT, str(path.relative_to(settings.published_dir)))
    except ReferralsError as error:
        _warn(error.advice)
    except Exception as error:
        _warn(f"{type(error).__name__}: {error}")


def add_missing_report(settings: Settings) -> None:
    """``add_report`` where the published snapshot has no report: the setting is new, or the report failed before."""
    if settings.report and not _path(settings).exists():
        add_report(settings)


def demo_report(settings: Settings) -> Path | str:
    """Write the report of the demo. Returns: its path; where that is not possible, what to do."""
    from referral_warehouse.consume.report import write_report
    from referral_warehouse.warehouse.snapshots import access_of

    path = settings.published_dir / REPORT
    try:
        if not (settings.report and path.exists()):
            path.unlink(missing_ok=True)  # it may be a link to that of an older snapshot
            write_report(settings, path)
            access_of(settings).file(path)
    except ConfigurationError as error:
        return error.advice
    return path


def _path(settings: Settings) -> Path:
    """The report of the published snapshot, in the folder of its database."""
    return current_database(settings.published_dir).with_name(REPORT)


def _warn(why: str) -> None:
    log_warning("warehouse", "report", f"the report was not written: {one_line(why)}; the publication is not affected")
