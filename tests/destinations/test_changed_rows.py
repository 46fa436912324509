"""Only the rows that changed are sent where a destination has the others; the result is the new snapshot, exactly."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from tests.destinations.databases import (
    NAME,
    datasets,
    deliver,
    differences,
    digest,
    feeds_of,
    query,
    rows_of,
    values_of,
)
from tests.destinations.versions import (
    CONTROL,
    TABLE,
    Loaded,
    changed_rows,
    control_row,
    counted_changes,
    drawn_row,
    drawn_rows,
    write_two,
    write_version,
)
from tests.sampling import sampled

pytestmark = pytest.mark.usefixtures("small_tables_too")


@pytest.mark.parametrize("seed", sampled(range(12), 2))
def test_generated_changes_arrive_exactly_and_only_changed_rows_are_loaded(
    settings: Settings, values: DestinationValues, address: str, loaded: Loaded, seed: int
) -> None:
    dice = random.Random(seed)
    rows = drawn_rows(dice)
    write_version(settings, 4, rows)
    deliver(settings, values, 4)
    for number in range(5, 8):
        before, rows = rows, changed_rows(dice, rows)
        write_version(settings, number, rows)
        done = deliver(settings, values, number)
        assert (done.sent, done.in_part) == (1, 1)
        changed, gone = counted_changes(before, rows)
        assert loaded[-1] == {TABLE: changed, **({f"{TABLE}_removed": gone} if gone else {})}
        assert differences(address, settings, number) == []
        assert query(address, CONTROL) == [control_row(settings, number)]
    assert "referrals_staging" not in datasets(address)
    keys = f"select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'referrals.{TABLE}'::regclass"
    assert query(address, f"{keys} and contype = 'p'") == [("PRIMARY KEY (campaign_id, code)",)]


@pytest.mark.parametrize("seed", sampled(range(12, 20), 1))
def test_generated_changes_arrive_exactly_in_a_file(
    settings: Settings, tmp_path: Path, loaded: Loaded, seed: int
) -> None:
    file = tmp_path / "analytics.duckdb"
    values = values_of({
        f"DESTINATION__{NAME}__CREDENTIALS": str(file), f"DESTINATION__{NAME}__DESTINATION_TYPE": "duckdb",
    })  # fmt: skip
    dice = random.Random(seed)
    rows = drawn_rows(dice)
    write_version(settings, 4, rows)
    deliver(settings, values, 4)
    chosen = "* replace (user_ids::bigint[] as user_ids, words::varchar[] as words)"
    for number in range(5, 8):
        before, rows = rows, changed_rows(dice, rows)
        write_version(settings, number, rows)
        assert deliver(settings, values, number).in_part == 1
        changed, gone = counted_changes(before, rows)
        assert loaded[-1] == {TABLE: changed, **({f"{TABLE}_removed": gone} if gone else {})}
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            there = connection.execute(f"select {chosen} from referrals.{TABLE}").to_arrow_table()
            assert digest(rows_of(there)) == digest(rows_of(feeds_of(settings, number)[TABLE]))
            assert connection.execute(CONTROL).fetchall() == [control_row(settings, number)]


def test_a_change_of_comments_alone_sends_no_row(
    settings: Settings, values: DestinationValues, address: str, loaded: Loaded
) -> None:
    rows = drawn_rows(random.Random(1))
    write_version(settings, 4, rows)
    write_version(settings, 5, rows, "comment on column marts.versions.note is 'what it''s about'")
    deliver(settings, values, 4)
    assert deliver(settings, values, 5).in_part == 1
    assert loaded[-1] == {TABLE: 0}
    assert differences(address, settings, 5) == []
    comment = f"select col_description('referrals.{TABLE}'::regclass, 3)"
    assert query(address, comment) == [("what it's about",)]


def test_accounts_of_one_database_are_compared_with_their_own_snapshots(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    """The row that a table of another dataset does not have is not looked for there."""
    other = replace(settings, dataset_name="other_one")
    write_two(settings, 4, 5)
    deliver(settings, values, 4)
    deliver(other, values, 5)
    assert deliver(settings, values, 5).in_part == 1
    assert deliver(other, values, 4).in_part == 1
    assert differences(address, settings, 5) == []
    assert differences(address, settings, 4, "other_one") == []


def test_a_row_that_is_new_and_gone_again_leaves_nothing(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    dice = random.Random(3)
    rows = drawn_rows(dice)
    for number, version in ((4, rows), (5, [*rows, drawn_row(dice, 9, "x'y")]), (6, rows)):
        write_version(settings, number, version)
        deliver(settings, values, number)
        assert differences(address, settings, number) == []


def test_a_table_that_did_not_change_for_long_is_compared_with_the_last_snapshot(
    settings: Settings, values: DestinationValues, address: str, loaded: Loaded
) -> None:
    """The snapshot that it was sent with is gone."""
    before, _ = write_two(settings, 4, 6)
    write_version(settings, 5, before, "insert into core.users by name select 9 as user_id")
    deliver(settings, values, 4)
    assert deliver(settings, values, 5).sent == 1
    shutil.rmtree(settings.snapshots_dir / "000004")
    deliver(settings, values, 6)
    assert query(address, CONTROL) == [control_row(settings, 6)]
    assert loaded[-1] == {TABLE: 2, f"{TABLE}_removed": 3}
    assert differences(address, settings, 6) == []
