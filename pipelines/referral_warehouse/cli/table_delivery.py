"""Delivers tables to destinations: after a publication, where failures are warnings, and for ``referrals deliver``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from referral_warehouse.display_text import LINE_COLUMNS, one_line
from referral_warehouse.errors import ConfigurationError, ReferralsError
from referral_warehouse.events import log_event, log_task, log_warning
from referral_warehouse.extras import install_step
from referral_warehouse.redaction import redact
from referral_warehouse.settings import Settings

if TYPE_CHECKING:
    from referral_warehouse.destinations.delivery import TableDelivery

CLIENTS = {"postgres": ("psycopg2", "postgres"), "redshift": ("psycopg2", "postgres")}
"""Type of destination → the package that it needs, and the extra that installs it."""


def refuse_missing_client(settings: Settings) -> None:
    """Raises: ConfigurationError when a destination needs a missing package, or its settings are wrong."""
    from referral_warehouse.settings.destinations import load_destination

    for name in settings.destinations:
        kind = load_destination(name).kind
        package, extra = CLIENTS.get(kind, ("", ""))
        if package and find_spec(package) is None:
            raise ConfigurationError(
                f"WAREHOUSE__DESTINATIONS has {name}, which is {kind} and needs the package {package}, and that is not "
                "installed.",
                install_step(extra),
            )


def deliver_to(settings: Settings, name: str, *, everything: bool = False) -> TableDelivery | None:
    """Deliver the published tables to a destination, and record it; the caller holds the lock of the warehouse.

    Returns: None where nothing is published. Raises: as ``deliver_tables``; the problem is recorded then.
    """
    from referral_warehouse.destinations.delivery import deliver_tables
    from referral_warehouse.destinations.record import DestinationRecord
    from referral_warehouse.settings.destinations import load_destination

    try:
        delivery = deliver_tables(settings, load_destination(name), everything=everything)
    except Exception as error:
        why = error.advice if isinstance(error, ReferralsError) else f"{type(error).__name__}: {error}"
        _record(settings, name, problem=why)
        log_task(f"tables to {name}", _shown(why), type(error).__name__)
        raise
    log_task(f"tables to {name}")
    if delivery is not None:
        _record(settings, name, DestinationRecord(delivery.snapshot, delivery.manifest_sha256))
    return delivery


def deliver_after_publication(settings: Settings) -> None:
    """Deliver the published tables to every destination of WAREHOUSE__DESTINATIONS that does not have them.

    The snapshot is already published, so failures are only warnings.
    """
    for name in settings.destinations:
        try:
            delivery = deliver_to(settings, name)
        except Exception as error:
            warn_of_failure(name, error)
        else:
            if delivery is not None and delivery.is_new:
                log_event("operate", "delivery", delivered(name, delivery), destination=name, **facts(delivery))


def warn_of_failure(name: str, error: Exception) -> None:
    """Warn that the tables were not delivered to a destination."""
    why = error.advice if isinstance(error, ReferralsError) else str(error)
    log_warning(
        "operate", "delivery",
        f"the tables were not delivered to {name}: {_shown(why)}; readers there keep what they have, and the next sync "
        "tries again",
    )  # fmt: skip


def facts(delivery: TableDelivery) -> dict[str, Any]:
    """A delivery, for programs."""
    return {
        "snapshot": delivery.snapshot, "sent": delivery.sent, "in_part": delivery.in_part, "tables": delivery.tables,
        "is_new": delivery.is_new,
    }  # fmt: skip


def delivered(name: str, delivery: TableDelivery) -> str:
    """A delivery as a clause."""
    if not delivery.is_new:
        return f"snapshot {delivery.snapshot} is at {name} already"
    in_part = f", {delivery.in_part} of them only with the rows that changed" if delivery.in_part else ""
    return f"snapshot {delivery.snapshot} is at {name} ({delivery.sent} of {delivery.tables} tables were sent{in_part})"


def destination_facts(settings: Settings) -> list[dict[str, Any]]:
    """The destinations for ``referrals status``, from the records in this directory."""
    if not settings.destinations:
        return []
    from referral_warehouse.destinations.record import DestinationRecord, read_records
    from referral_warehouse.warehouse.published_snapshot import published_snapshot

    records, wanted = read_records(settings), published_snapshot(settings)
    found = []
    for name in settings.destinations:
        record = records.get(name, DestinationRecord())
        is_current = wanted is not None and wanted.sha256 == record.manifest_sha256
        found.append({
            "destination": name, "snapshot": record.snapshot, "is_current": is_current, "problem": record.problem,
        })  # fmt: skip
    return found


def destination_sentence(found: dict[str, Any]) -> str:
    """The line of ``referrals status`` about a destination."""
    has = "nothing yet" if found["snapshot"] is None else f"snapshot {found['snapshot']}"
    if found["is_current"]:
        return f"Destination {found['destination']}: has {has}."
    why = f" ({found['problem']})" if found["problem"] else ""
    return (
        f"Destination {found['destination']}: has {has}, not the published snapshot{why}. Next: Run `referrals deliver "
        f"--to {found['destination']}`, or wait for the next sync."
    )


def known_destinations(settings: Settings) -> list[str]:
    """The destinations that are set, and those that got tables before."""
    from referral_warehouse.destinations.record import read_records

    got = {name for name, record in read_records(settings).items() if record.snapshot is not None}
    return sorted({*settings.destinations, *got})


def _record(settings: Settings, name: str, record: Any = None, *, problem: str = "") -> None:
    from dataclasses import replace

    from referral_warehouse.destinations.record import DestinationRecord, read_records, write_record

    if record is None:
        record = replace(read_records(settings).get(name, DestinationRecord()), problem=_shown(problem))
    try:
        write_record(settings, name, record)
    except OSError as error:
        log_warning("operate", "delivery", f"the delivery to {name} could not be recorded: {error}")


def _shown(text: str) -> str:
    return one_line(redact(text), LINE_COLUMNS).rstrip(".")
