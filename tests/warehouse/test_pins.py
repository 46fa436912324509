"""A pinned snapshot stays; where the pins cannot be read, every snapshot may be pinned, and none is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.pins import NAME, UNKNOWN, pinned_numbers, write_pins
from referral_warehouse.warehouse.snapshots import retain, snapshot_numbers
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.damage.damages import damages_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Five snapshots, of which two are kept and the first is pinned."""
    settings = Settings(warehouse_dir=tmp_path, keep_snapshots=2, snapshot_grace_minutes=0)
    settings.state_dir.mkdir()
    for number in range(1, 6):
        folder = settings.snapshots_dir / folder_name(number)
        folder.mkdir(parents=True)
        (folder / "warehouse.duckdb").touch()
    write_pins(settings.state_dir, frozenset({1}))
    return settings


def test_a_pinned_snapshot_stays(settings: Settings) -> None:
    assert retain(settings, 5) == []
    assert snapshot_numbers(settings) == [1, 4, 5]


@pytest.mark.parametrize("damage", ["half", "noise", "text", "empty", "null", '{"a": 1}', "deep", "a named pipe"])
def test_pins_that_cannot_be_read_pin_everything(settings: Settings, damage: str) -> None:
    path = settings.state_dir / NAME
    damages_of(path)[damage](path)
    assert pinned_numbers(settings.state_dir) is None
    [problem] = retain(settings, 5)
    assert problem.startswith(UNKNOWN)
    assert "--pin" in problem
    assert snapshot_numbers(settings) == [1, 2, 3, 4, 5]
    path.unlink()
    assert retain(settings, 5) == []
    assert snapshot_numbers(settings) == [4, 5]


@pytest.mark.parametrize("text", ["[1, null]", '["1"]', "[true]", "[1.0]"])
def test_a_list_of_anything_but_numbers_is_not_read_as_pins(settings: Settings, text: str) -> None:
    (settings.state_dir / NAME).write_text(text)
    assert pinned_numbers(settings.state_dir) is None
