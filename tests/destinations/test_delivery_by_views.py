"""Views over two datasets, for destinations without transactions over tables; a file of DuckDB is taken for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.destinations import delivery
from referral_warehouse.destinations.views import DatasetViews
from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from tests.destinations.databases import NAME, deliver, digest, feeds_of, rows_of, values_of


class Killed(BaseException):
    """The process ended here."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "analytics.duckdb"


@pytest.fixture
def values(file: Path, monkeypatch: pytest.MonkeyPatch) -> DestinationValues:
    monkeypatch.setattr(delivery, "TRANSACTIONAL", {})
    monkeypatch.setattr(delivery, "WITH_VIEWS", ("duckdb",))
    return values_of({
        f"DESTINATION__{NAME}__CREDENTIALS": str(file), f"DESTINATION__{NAME}__DESTINATION_TYPE": "duckdb",
    })  # fmt: skip


def compare_readers(file: Path, settings: Settings, number: int) -> set[str]:
    """Compare what readers see with a snapshot. Returns: the datasets."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        for name, feed in feeds_of(settings, number).items():
            rows = connection.execute(f"from referrals.{name}").to_arrow_table()
            assert digest(rows_of(rows)) == digest(rows_of(feed)), name
        [(snapshot, dataset)] = connection.execute(
            "select snapshot, dataset_name from referrals.ops_published"
        ).fetchall()
        assert snapshot == number
        [(count,)] = connection.execute(f"select count(*) from {dataset}.core_users").fetchall()
        assert count == feeds_of(settings, number)["core_users"].num_rows
        schemas = {name for (name,) in connection.execute("select schema_name from duckdb_schemas()").fetchall()}
    return {name for name in schemas if name.startswith("referrals")}


@pytest.mark.full
def test_readers_have_views_of_the_newest_dataset(settings: Settings, values: DestinationValues, file: Path) -> None:
    assert deliver(settings, values, 1).sent == 5
    assert compare_readers(file, settings, 1) == {"referrals", "referrals_a"}
    assert deliver(settings, values).is_new is False
    deliver(settings, values, 2)
    assert compare_readers(file, settings, 2) == {"referrals", "referrals_b"}, "no row of the snapshot before is left"


@pytest.mark.parametrize("at", [pytest.param(2, marks=pytest.mark.full), 4, pytest.param(7, marks=pytest.mark.full)])
def test_a_switch_that_was_killed_is_taken_back_and_done_again(
    settings: Settings, values: DestinationValues, file: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The datasets are both whole at that time, and the one that the control table names is the old one."""
    deliver(settings, values, 1)
    with monkeypatch.context() as patch:
        original, seen = DatasetViews._name, 0

        def killed(self: DatasetViews, dataset: str, table: str) -> Any:
            nonlocal seen
            seen += dataset == "referrals_b"
            if seen == at:
                raise Killed
            return original(self, dataset, table)

        patch.setattr(DatasetViews, "_name", killed)
        with pytest.raises(Killed):
            deliver(settings, values, 2)
    with duckdb.connect(str(file), read_only=True) as connection:
        [(dataset,)] = connection.execute("select dataset_name from referrals.ops_published").fetchall()
        assert dataset == "referrals_a"
        assert connection.execute("select count(*) from referrals_a.core_users").fetchall() == [(1,)]
        assert connection.execute("select count(*) from referrals_b.core_users").fetchall() == [(2,)]
    deliver(settings, values, 2)
    assert compare_readers(file, settings, 2) == {"referrals", "referrals_b"}
