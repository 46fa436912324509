"""The report as a file of the warehouse directory: with every publication where that is set, and after the demo."""

from __future__ import annotations

import os
from pathlib import Path

from referral_warehouse.display_text import one_line
from referral_warehouse.errors import ConfigurationError, ReferralsError
from referral_warehouse.events import log_warning
from referral_warehouse.settings import Settings

REPORT_NAME = "report.html"


def add_report(settings: Settings) -> None:
    """Write the report into the folder of the published snapshot, and a link to it beside the link to the warehouse.

    Nothing is done unless ``WAREHOUSE__REPORT`` is set. The snapshot is published already, so that whatever fails is a
    warning.
    """
    if not settings.report:
        return
    from referral_warehouse.consume.report import write_report

    try:
        path = settings.warehouse_path.resolve().with_name(REPORT_NAME)
        write_report(settings, path)
        _link(settings.warehouse_dir / REPORT_NAME, path)
    except ReferralsError as error:
        _warn(f"{error.message} {error.next_step}")
    except Exception as error:
        _warn(f"{type(error).__name__}: {error}")


def add_missing_report(settings: Settings) -> None:
    """The same where the published snapshot has no report yet, because the setting is new or the report failed."""
    if settings.report and not settings.warehouse_path.resolve().with_name(REPORT_NAME).exists():
        add_report(settings)


def demo_report(settings: Settings) -> Path | str:
    """Write the report of the demo. Returns: its path; where that is not possible, what to do."""
    from referral_warehouse.consume.report import write_report

    path = settings.warehouse_dir / REPORT_NAME
    try:
        if not (settings.report and path.exists()):
            path.unlink(missing_ok=True)  # it may be a link to that of an older snapshot
            write_report(settings, path)
    except ConfigurationError as error:
        return f"{error.message} {error.next_step}"
    return path


def _link(link: Path, target: Path) -> None:
    """Make ``link`` point at ``target`` in one step, by a path relative to its folder."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(target, link.parent.resolve()))
    new.replace(link)


def _warn(why: str) -> None:
    log_warning("warehouse", "report", f"the report was not written: {one_line(why)}; the publication is not affected")
