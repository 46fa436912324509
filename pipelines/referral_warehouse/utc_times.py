"""Times in UTC and their text; a time without a zone is UTC already."""

from __future__ import annotations

from datetime import UTC, datetime


def as_utc(at: datetime) -> datetime:
    """The same time with the zone UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def parse_utc(text: str) -> datetime:
    """The time of an ISO 8601 text, with the zone UTC. Raises: ValueError for any other text."""
    return as_utc(datetime.fromisoformat(text))


def iso_utc(at: datetime) -> str:
    """A time as ISO 8601 with a Z, with the fraction of its second if there is one."""
    return as_utc(at).isoformat().replace("+00:00", "Z")


def iso_utc_seconds(at: datetime) -> str:
    """A time as ISO 8601 with a Z, to the second: ``2026-01-05T08:00:00Z``."""
    return iso_utc(at.replace(microsecond=0))
