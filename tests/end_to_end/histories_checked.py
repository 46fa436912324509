"""Simulates one random history, publishes it, and compares every number of the three marts with the event log."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.end_to_end.corrected_histories import MOVEMENTS, SETTINGS_OF_UNITS, expected_rows, take_random_correction
from tests.end_to_end.reward_histories import (
    COLUMNS,
    by_place,
    expected_days,
    expected_ledger,
    expected_liability,
    simulate_history,
)

CORRECTIONS = {
    "warn_orphans", "warn_referral_counters", "warn_issue_taken_back", "warn_issued_unlisted", "warn_total_value",
    "warn_unit_setting_unknown",
}  # fmt: skip
"""Warnings that corrections may cause."""
DIGITS = (
    "select numeric_scale from duckdb_columns() where table_name = 'reward_ledger' and column_name = 'closing_value'"
)
DAILY = ("accrued", "issued", "reversed")


def check_history(seed: int, folder: Path, streams: Collection[str] = ()) -> None:
    """Raises: AssertionError naming the first balance that differs."""
    history = simulate_history(seed, folder, streams)
    publication = publish(history.settings, build(history.settings))
    assert not [w for w in publication.warnings if w.check not in ("warn_orphans", "warn_referral_counters")]
    ledger = expected_ledger(history)
    names = ["reward_id", "recipient_id", "sync_no", *COLUMNS]
    found = by_place(_rows(history.settings, f"select {', '.join(names)} from marts.reward_ledger"), names, 3)
    assert found.keys() == ledger.keys()
    for place, row in ledger.items():
        assert found[place] == row, f"seed {seed}, reward, recipient and sync {place}"
    assert _rows(history.settings, "select count(restatement) from marts.reward_ledger") == [(0,)]

    owed = _rows(
        history.settings,
        "select reward_id, recipient_id, due_count, due_value, in_process_count, in_process_value, first_seen_due_at "
        "from marts.reward_liability",
    )
    assert {row[:2]: row[2:] for row in owed} == expected_liability(history, ledger)
    _check_days(
        history.settings, expected_days(history, ledger), history.syncs[0][1].date(), history.syncs[-1][1].date()
    )


def check_corrected_history(seed: int, folder: Path, streams: Collection[str] = ()) -> None:
    """Raises: AssertionError naming the first balance whose movements differ from the event log."""
    history = simulate_history(seed, folder, streams, take_random_correction, SETTINGS_OF_UNITS)
    publication = publish(history.settings, build(history.settings))
    assert {warning.check for warning in publication.warnings} <= CORRECTIONS
    names = [f"{name}_{measure}" for name in MOVEMENTS for measure in ("count", "value")]
    keys = ["reward_id", "recipient_id", "campaign_id", "reward_type", "unit", "sync_no"]
    ledger = _rows(history.settings, f"select {', '.join(keys + names)} from marts.reward_ledger")
    found = {}
    for row in ledger:
        pairs = zip(MOVEMENTS, zip(row[6::2], row[7::2], strict=True), strict=True)
        shown = {name: pair for name, pair in pairs if pair != (0, 0)}
        if row[5] == 1 or shown.keys() - {"opening", "closing"}:  # a payout that failed and was made again is no change
            found[row[:6]] = shown
    [(digits,)] = _rows(history.settings, DIGITS)
    expected = expected_rows(history, digits)
    for place in sorted(found.keys() | expected.keys()):
        where = f"seed {seed}, reward, recipient, campaign, type, unit and sync {place}"
        assert found.get(place) == expected.get(place), where


def _check_days(settings: Settings, days: dict[Any, dict[str, Any]], first: Any, last: Any) -> None:
    measures = [f"{name}_{measure}" for name in ("opening", *DAILY, "closing") for measure in ("count", "value")]
    names = ["campaign_id", "reward_type", "day_on", "unit", *measures]
    rows = _rows(settings, f"select {', '.join(names)} from marts.reward_liability_daily where not is_estimated")
    found = by_place(rows, names, 3)
    assert {place[:2] for place in found} == {place[:2] for place in days}
    units = dict(settings.reward_units)
    for campaign_id, reward_type in sorted({place[:2] for place in days}):
        closing = {"count": Decimal(0), "value": Decimal(0)}
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            row, moved = found.pop((campaign_id, reward_type, day)), days.get((campaign_id, reward_type, day), {})
            assert row.pop("unit") == units.get(reward_type, f"type:{reward_type}")
            for measure in ("count", "value"):
                opening = closing[measure] + moved.get(f"found_{measure}", 0)
                movements = [moved.get(f"{name}_{measure}", 0) for name in DAILY]
                closing[measure] = opening + movements[0] - movements[1] - movements[2]
                shown = [row[f"{name}_{measure}"] for name in ("opening", *DAILY, "closing")]
                assert shown == [opening, *movements, closing[measure]], (campaign_id, reward_type, day, measure)
    assert not found, "no day before the first sync or after the last"


def _rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        return connection.execute(query).fetchall()
