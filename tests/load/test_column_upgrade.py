"""A load file of an earlier version, whose amounts have two decimal places, keeps its rows and takes finer amounts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pytest

from referral_warehouse.load.records import converters, row_version, table_sql
from referral_warehouse.load.storage import load_file
from referral_warehouse.warehouse.build import build
from tests.load.accounts import Account

TYPES = (
    "select distinct data_type, 1 from duckdb_columns() where data_type like 'DECIMAL%' and database_name <> 'system'"
)


@pytest.mark.usefixtures("few_models")
def test_amounts_of_an_earlier_version_are_widened_once(
    fresh: Callable[..., Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = fresh()
    with monkeypatch.context() as before:
        narrow = pa.decimal128(18, 2)
        before.setattr(converters, "MONEY", narrow)
        before.setitem(converters.ARROW_TYPES, "money", narrow)
        before.setitem(table_sql.SQL_TYPES, "money", "decimal(18, 2)")
        before.setattr(load_file, "upgrade", lambda _connection, _version: None)
        before.setattr(row_version, "_amount", str)
        account.load()
        assert dict(account.query(TYPES)) == {"DECIMAL(18,2)": 1}
    count = "select count(*), count(distinct id) from raw.rewards_due"
    [(rows, ids)] = account.query(count)
    assert rows == ids > 2
    reward = account.world.rows("rewards_due")[0]["reward_id"]
    repriced = [row["id"] for row in account.world.rows("rewards_due") if row["reward_id"] == reward]
    account.world.reprice(reward, "1.125")
    account.load()
    assert dict(account.query(TYPES)) == {"DECIMAL(38,6)": 1}
    assert account.query(count) == [(rows + len(repriced), ids)], "rows whose amounts are the same have no new version"
    found = account.query("select id, reward_value from raw.rewards_due where _dlt_valid_to is null")
    assert {key: value for key, value in found if key in repriced} == dict.fromkeys(repriced, Decimal("1.125"))
    build(account.settings)
