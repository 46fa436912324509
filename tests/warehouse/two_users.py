"""A load file of two users and one sync, and the times at which its drafts are built."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from referral_warehouse.settings import Settings
from tests.warehouse.planting import plant

MORNING = "2026-01-01 08:00:00"
NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
USERS = [
    {"id": 1, "campaign_id": 5, "email": "ada@example.com", "meta": '{"a": 1}', "date": "2026-01-01 07:00:00"},
    {"id": 2, "campaign_id": 5, "referrer_id": 1, "first_name": "Zoë"},
]


def plant_two_users(folder: Path) -> Settings:
    """The settings of a warehouse directory that has this load file alone."""
    return plant(folder, {"users": USERS}, syncs=[MORNING])
