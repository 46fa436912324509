"""The names of runs sort in the order of the runs, whatever the time between them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from referral_warehouse.run_ids import new_run_id

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


def test_names_sort_by_time_also_within_a_second_and_after_those_of_earlier_versions() -> None:
    steps = (timedelta(milliseconds=n) for n in (0, 1, 9, 10, 99, 100, 999, 1000, 59_999, 86_400_000))
    names = ["20260105T080000-ffffffff", *(new_run_id(NOW + step) for step in steps)]
    assert names == sorted(names)
    assert names[2].startswith("20260105T080000.001-")


def test_names_of_the_same_time_differ() -> None:
    assert len({new_run_id(NOW) for _ in range(100)}) == 100
