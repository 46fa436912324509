"""Every value arrives as it is, in PostgreSQL and in a file of DuckDB, which is the columnar engine here."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from tests.destinations.databases import NAME, deliver, digest, query, rows_of, values_of
from tests.lake.lakes import altered

TEXTS = ["", None, "NULL", "\\N", "\\.", "a\tb\n\"q' \\n\r\n \x01", "Zoë 😀", "a\n\\.\nb"]
LARGEST = Decimal("999999999999999999999999999999999999.99")
CREATE = """
create table marts.extremes as
select
    id,
    case id when 1 then '' when 3 then 'NULL' when 4 then '\\N' when 5 then '\\.' when 6 then 'a' || chr(9) || chr(10)
        || '"q'' \\n' || chr(13) || chr(10) || chr(1) when 7 then 'Zoë 😀'
        when 8 then 'a' || chr(10) || '\\.' end as text,
    case id when 1 then cast('999999999999999999999999999999999999.99' as decimal(38, 2)) when 3 then -0.01
        when 4 then 0 end as value,
    case id when 1 then timestamp '2026-03-29 01:30:00.123456' when 3 then timestamp '0001-01-01 00:00:00'
        when 4 then timestamp '9999-12-31 23:59:59.999999' end as happened_at,
    case id when 1 then date '0001-01-01' when 3 then date '9999-12-31' end as day_on,
    case id when 1 then 0.1 when 3 then 1.0 / 3 when 4 then 1e300 end::double as rate,
    case id when 1 then [1, 2]::bigint[] when 3 then []::bigint[] end as user_ids,
    case id when 1 then 9223372036854775807 when 3 then -9223372036854775808 end as count_of,
    id = 3 as is_third
from range(1, 9) as ids (id)
"""


@pytest.fixture
def extreme(settings: Settings) -> Settings:
    """A fourth snapshot with a table of values that are easily lost on the way."""
    altered(settings, 1, 4, CREATE, "create table marts.empty_one as from marts.extremes limit 0")
    return settings


def feed(settings: Settings, name: str = "marts.extremes") -> pa.Table:
    return pq.read_table(settings.snapshots_dir / "000004" / "feeds" / f"{name}.parquet")


def test_postgresql_has_every_value(extreme: Settings, values: DestinationValues, address: str) -> None:
    deliver(extreme, values, 4)
    columns = ", ".join(feed(extreme).column_names)
    rows = query(address, f"select {columns} from referrals.marts_extremes order by id")
    assert digest(rows) == digest(rows_of(feed(extreme)))
    assert rows[0] == (
        1, "", LARGEST, datetime(2026, 3, 29, 1, 30, 0, 123456, UTC), date(1, 1, 1), 0.1, [1, 2], 2**63 - 1, False,
    )  # fmt: skip
    assert query(address, f"select {columns} from referrals.marts_empty_one") == []


def test_a_text_that_copying_would_change_is_inserted(tmp_path: Path) -> None:
    from referral_warehouse.destinations.feeds import is_copied_exactly

    for number, text in enumerate(TEXTS):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"id": [1, 2], "text": ["plain", text]}), path)
        assert is_copied_exactly(path) is not (text == "" or "\\." in (text or "")), text


def test_duckdb_has_every_value_comment_and_type(
    extreme: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path begins at the working directory."""
    file = tmp_path / "analytics.duckdb"
    monkeypatch.chdir(tmp_path)
    values = values_of({
        f"DESTINATION__{NAME}__CREDENTIALS": file.name, f"DESTINATION__{NAME}__DESTINATION_TYPE": "duckdb",
    })  # fmt: skip
    first = deliver(extreme, values, 4)
    assert first.sent == first.tables
    columns = ", ".join(feed(extreme).column_names).replace("user_ids", "user_ids::bigint[]")
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.execute(f"select {columns} from referrals.marts_extremes order by id").to_arrow_table()
        assert digest(rows_of(rows)) == digest(rows_of(feed(extreme)))
        types = dict(connection.execute(
            "select column_name, data_type from duckdb_columns() where table_name = 'marts_extremes'"
        ).fetchall())  # fmt: skip
        assert (types["value"], types["happened_at"]) == ("DECIMAL(38,2)", "TIMESTAMP WITH TIME ZONE")
        comments = (
            "select comment from duckdb_columns() where table_name = 'core_users' and column_name = 'referrer_id'"
        )
        assert connection.execute(comments).fetchall() == [
            ("user who invited this one; null = joined without an invitation",)
        ]
    second = deliver(extreme, values, 1)
    assert second.sent == 0, "the other tables are the same"
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
        assert "marts_extremes" not in tables
        assert connection.execute("select snapshot from referrals.ops_published").fetchall() == [(1,)]
        assert connection.execute("select count(*) from referrals.core_users").fetchall() == [(1,)]
