"""A table is sent as a whole where its changes cannot be found, or would not suffice; the result is exact, too."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest

from referral_warehouse.destinations import delivery, steps
from referral_warehouse.destinations.tables import RowsDiffer
from referral_warehouse.errors import DestinationUnavailable
from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from tests.destinations.databases import (
    deliver,
    differences,
    execute,
    feeds_of,
    query,
)
from tests.destinations.versions import (
    CONTROL,
    SCHEMA,
    TABLE,
    Loaded,
    control_row,
    drawn_rows,
    write_two,
    write_version,
)

TAMPERING = {
    "a row was deleted there": f"delete from referrals.{TABLE} where ctid in (select max(ctid) from referrals.{TABLE})",
    "a row was added there": f"insert into referrals.{TABLE} (campaign_id, code) values (-1, 'somebody')",
    "a column was dropped there": f"alter table referrals.{TABLE} drop column note",
    "a column was added there": f"alter table referrals.{TABLE} add column mine integer",
}
pytestmark = pytest.mark.usefixtures("small_tables_too")


def lose_snapshot(settings: Settings) -> None:
    shutil.rmtree(settings.snapshots_dir / "000004")


def alter_old_feed(settings: Settings) -> None:
    feed = settings.snapshots_dir / "000004" / "feeds" / "marts.versions.parquet"
    feed.chmod(0o600)
    feed.write_bytes((settings.snapshots_dir / "000005" / "feeds" / "marts.versions.parquet").read_bytes())


def change_key(settings: Settings) -> None:
    shutil.rmtree(settings.snapshots_dir / "000005")
    before = drawn_rows(random.Random(5))
    write_version(settings, 5, [{**before[0], "note": "another"}, *before[1:]], key=["code", "campaign_id"])


def add_column(settings: Settings) -> None:
    shutil.rmtree(settings.snapshots_dir / "000005")
    wider = SCHEMA.append(pa.field("further", pa.int64()))
    write_version(settings, 5, drawn_rows(random.Random(5)), schema=wider)


def change_most(settings: Settings) -> None:
    shutil.rmtree(settings.snapshots_dir / "000005")
    before = drawn_rows(random.Random(5))
    write_version(settings, 5, [{**row, "note": "another"} for row in before[:30]] + before[30:])


CHANGES = {
    "the old snapshot is gone": lose_snapshot,
    "a file of the old snapshot was changed": alter_old_feed,
    "the key is another one": change_key,
    "a column is new": add_column,
    "half of the rows changed": change_most,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_cannot_be_sent_in_part_is_sent_as_a_whole(
    settings: Settings, values: DestinationValues, address: str, loaded: Loaded, change: Callable[[Settings], None]
) -> None:
    write_two(settings, 4, 5)
    deliver(settings, values, 4)
    change(settings)
    done = deliver(settings, values, 5)
    assert (done.sent, done.in_part) == (1, 0)
    assert loaded[1:] == [{TABLE: feeds_of(settings, 5)[TABLE].num_rows}]
    assert differences(address, settings, 5) == []


def test_a_small_table_and_all_tables_on_request_are_sent_as_a_whole(
    settings: Settings, values: DestinationValues, address: str, loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, after = write_two(settings, 4, 5)
    deliver(settings, values, 4)
    assert deliver(settings, values, 5, everything=True).in_part == 0
    assert loaded[-1] == {TABLE: len(after)}
    monkeypatch.setattr(steps, "LEAST_ROWS", len(after) + 9)
    assert deliver(settings, values, 4).in_part == 0
    assert differences(address, settings, 4) == []


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING.keys())
def test_a_table_that_somebody_changed_there_is_sent_as_a_whole(
    settings: Settings, values: DestinationValues, address: str, loaded: Loaded, statement: str
) -> None:
    """The rows that changed are loaded first, and then all of that table; another table is still sent in part."""
    users = "insert into core.users by name select range + 2 as user_id from range(9)"
    before, after = write_two(settings, 8, 9)
    write_version(settings, 4, before, users)
    write_version(settings, 5, after, users, "update core.users set reach = 3 where user_id = 4")
    deliver(settings, values, 4)
    execute(address, statement)
    done = deliver(settings, values, 5)
    assert (done.sent, done.in_part) == (2, 1)
    assert loaded[1:] == [{TABLE: 2, f"{TABLE}_removed": 3}, {TABLE: len(after)}]
    assert differences(address, settings, 5) == []
    assert query(address, CONTROL) == [control_row(settings, 5)]


def test_wrong_counts_are_never_committed(
    settings: Settings, values: DestinationValues, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the second attempt, readers keep what they have."""
    write_two(settings, 4, 5)
    deliver(settings, values, 4)
    execute(address, TAMPERING["a row was deleted there"])
    rows = query(address, f"select ctid::text, xmin::text from referrals.{TABLE} order by 1")

    class Never(Exception):
        """Nothing raises it."""

    monkeypatch.setattr(delivery, "RowsDiffer", Never)
    with pytest.raises(DestinationUnavailable, match="has other rows than it was sent: marts_versions"):
        deliver(settings, values, 5)
    assert query(address, f"select ctid::text, xmin::text from referrals.{TABLE} order by 1") == rows
    assert query(address, "select snapshot from referrals.ops_published") == [(4,)]
    monkeypatch.setattr(delivery, "RowsDiffer", RowsDiffer)
    deliver(settings, values, 5)
    assert differences(address, settings, 5) == []


def test_a_table_with_the_name_of_the_one_for_keys_that_are_gone_is_not_taken_for_it(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    before, after = write_two(settings, 8, 9)
    further = "create table marts.versions_removed as select 1 as id"
    write_version(settings, 4, before, further)
    write_version(settings, 5, after, further)
    deliver(settings, values, 4)
    assert deliver(settings, values, 5).in_part == 0
    assert differences(address, settings, 5) == []


def test_a_comparison_that_needs_too_much_memory_sends_the_whole_table(
    settings: Settings, values: DestinationValues, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise duckdb.OutOfMemoryException("could not allocate block")

    write_two(settings, 4, 5)
    deliver(settings, values, 4)
    monkeypatch.setattr(steps, "changed_rows", fail)
    assert deliver(settings, values, 5).in_part == 0
    assert differences(address, settings, 5) == []
