"""Row versions: another notation of a value is no change, another value is; boundary times always increase."""

# ruff: noqa: DTZ001 - times are naive UTC in the load file

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral_warehouse.load.records.coercion import coerce
from referral_warehouse.load.records.row_version import last_of_each_id, with_row_versions
from referral_warehouse.load.records.schema import ROW_VERSION
from referral_warehouse.load.registry import TABLES

NOW = datetime(2026, 1, 5, 8)
REWARD = {"id": 1, "campaign_id": 1, "name": "Voucher", "reward_for": "person_referring", "type": "Voucher",
          "value": 50, "when_referral": "qualifies"}  # fmt: skip
CAMPAIGN = {"id": 1, "name": "Spring", "url": "https://example.com", "code": "s", "reach": 5, "live": True,
            "status": "launched", "starts_at": None, "ends_at": "2026-05-01"}  # fmt: skip


def version(stream: str, row: dict[str, Any], fetched_at: datetime = NOW) -> str:
    rows = with_row_versions(TABLES[stream], coerce(TABLES[stream], [row], fetched_at, stream).table)
    (found,) = rows.column(ROW_VERSION).to_pylist()
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("value", [50, 50.0, "50", "50.0", " 50.00", "5e1", Decimal(50)], ids=repr)
def test_another_spelling_is_the_same_version(value: Any) -> None:
    assert version("rewards", REWARD | {"value": value}) == version("rewards", REWARD)


@pytest.mark.parametrize(
    "changed",
    [{"value": 50.01}, {"value": None}, {"value": 0}, {"name": "voucher"}, {"name": ""}, {"name": None},
     {"campaign_id": None}, {"new_field": 1}],
    ids=repr,
)  # fmt: skip
def test_another_value_is_another_version(changed: dict[str, Any]) -> None:
    assert version("rewards", REWARD | changed) != version("rewards", REWARD)


def test_other_spellings_of_times_truths_and_ids_are_the_same_version() -> None:
    same = CAMPAIGN | {"id": "1", "live": 1, "ends_at": "2026-05-01T02:00:00+02:00"}
    assert version("campaigns", same) == version("campaigns", CAMPAIGN)
    assert version("campaigns", CAMPAIGN | {"ends_at": "2026-05-01 00:00:01"}) != version("campaigns", CAMPAIGN)


def test_the_time_of_fetching_and_the_reach_of_campaigns_are_not_tracked() -> None:
    assert version("rewards", REWARD, NOW + timedelta(days=9)) == version("rewards", REWARD)
    assert version("campaigns", CAMPAIGN | {"reach": 6}) == version("campaigns", CAMPAIGN)


def test_values_that_change_places_are_another_version() -> None:
    swapped = REWARD | {"name": "qualifies", "when_referral": "Voucher"}
    assert version("rewards", swapped) != version("rewards", REWARD)


@given(st.lists(st.integers(-3, 3)))
def test_of_rows_that_share_an_id_the_last_one_stays(ids: list[int]) -> None:
    rows = pa.table({"id": pa.array(ids, pa.int64()), "at": pa.array(range(len(ids)), pa.int64())})
    kept = last_of_each_id(rows).to_pylist()
    assert {row["id"]: row["at"] for row in kept} == {identifier: at for at, identifier in enumerate(ids)}
    assert len(kept) == len(set(ids))
