"""The published file and the feeds, read by SQLAlchemy and ADBC: comments, exact decimals, times, no writing.

The heavier clients (pandas, polars, ibis, dbt, other versions of DuckDB) are in tests/soak/test_bi.py.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import _duckdb
import adbc_driver_manager.dbapi as adbc
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from referral_warehouse.settings import Settings
from tests.consume.conftest import database

DUE = Decimal("24.691356")
SEEN = dt.datetime(2026, 1, 1, 8, 0)  # noqa: DTZ001 - the column has no zone; it is UTC


@pytest.fixture
def engine(published: Settings) -> sa.Engine:
    return sa.create_engine(f"duckdb:///{database(published, 3)}", connect_args={"read_only": True})


def test_sqlalchemy_reflects_tables_types_and_comments(engine: sa.Engine) -> None:
    found = sa.inspect(engine)
    assert {"campaigns", "users", "rewards_due"} <= set(found.get_table_names(schema="core"))
    columns = {column["name"]: column for column in found.get_columns("rewards_due", schema="core")}
    assert str(columns["due_value"]["type"]) == "NUMERIC(38, 6)"
    assert (columns["due_value"]["comment"] or "").startswith("their value;")
    assert (found.get_table_comment("rewards_due", schema="core")["text"] or "").startswith("Rewards owed and not yet")
    engine.dispose()


def test_sqlalchemy_reads_exact_decimals_and_times_and_cannot_write(engine: sa.Engine) -> None:
    table = sa.Table("rewards_due", sa.MetaData(), schema="core", autoload_with=engine)
    with engine.connect() as connection:
        is_first = table.c.due_id == 1
        [row] = connection.execute(sa.select(table.c.due_value, table.c.first_seen_at).where(is_first)).all()
        assert (row.due_value, row.first_seen_at) == (DUE, SEEN)
        assert connection.execute(sa.select(sa.func.sum(table.c.due_value)).where(is_first)).scalar() == DUE
    with engine.connect() as connection, pytest.raises(DBAPIError, match="read-only"):
        connection.execute(sa.text("delete from core.users"))
    engine.dispose()


def test_adbc_reads_exact_decimals_and_times_and_cannot_write(published: Settings) -> None:
    options = {"path": str(database(published, 3)), "access_mode": "read_only"}
    with (
        adbc.connect(driver=_duckdb.__file__, entrypoint="duckdb_adbc_init", db_kwargs=options) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select due_value, first_seen_at from core.rewards_due where due_id = 1")
        assert cursor.fetch_arrow_table().to_pylist() == [{"due_value": DUE, "first_seen_at": SEEN}]
        with pytest.raises(adbc.Error, match="read-only"):
            cursor.execute("delete from core.users")


def test_a_feed_has_exact_decimals_and_times(published: Settings) -> None:
    path = published.feeds_dir / "core.rewards_due.parquet"
    table = pq.read_table(path, columns=["due_value", "first_seen_at"], filters=[("due_id", "=", 1)])
    assert [str(kind) for kind in table.schema.types] == ["decimal128(38, 6)", "timestamp[us, tz=UTC]"]
    assert table.to_pylist() == [{"due_value": DUE, "first_seen_at": SEEN.replace(tzinfo=dt.UTC)}]
