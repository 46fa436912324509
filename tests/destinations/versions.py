"""Snapshots with versions of one table, ``marts.versions``, whose rows a test chooses or draws."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.workspace.current_snapshot import folder_name
from tests.lake.lakes import altered

TABLE, KEY = "marts_versions", ("campaign_id", "code")
TEXTS = ("", "it's", 'a "quoted" text', "\\.", "a,b;\tc\r\nd", "NULL", "Zoë 😀", "plain", None)
SCHEMA = pa.schema([
    ("campaign_id", pa.int64()), ("code", pa.string()), ("note", pa.string()), ("value", pa.decimal128(38, 2)),
    ("user_ids", pa.list_(pa.int64())), ("words", pa.list_(pa.string())), ("happened_at", pa.timestamp("us")),
    ("day_on", pa.date32()), ("rate", pa.float64()), ("is_open", pa.bool_()),
])  # fmt: skip
CONTROL = f"select rows_count, checksum, snapshot from referrals.ops_published_tables where table_name = '{TABLE}'"
Row = dict[str, Any]
Loaded = list[dict[str, int]]


def drawn_row(dice: random.Random, campaign_id: int, code: str) -> Row:
    """A row with values of all types; any but those of the key may be null."""
    values = {
        "note": dice.choice(TEXTS),
        "value": dice.choice([Decimal("0.00"), Decimal("-0.01"), Decimal(10) ** 35 + Decimal("0.99")]),
        "user_ids": dice.choice([[], [1, 2], [2, 1], [2**62]]),
        "words": dice.choice([[], [""], ["it's", 'a "b"'], ["x", None]]),
        "happened_at": datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
        + timedelta(microseconds=dice.randrange(9)),
        "day_on": date(2026, 1, dice.randrange(1, 4)),
        "rate": dice.choice([0.1, 1 / 3, 0.0, 1e300]),
        "is_open": dice.random() < 0.5,
    }
    return {
        "campaign_id": campaign_id, "code": code,
        **{name: None if dice.random() < 0.15 else value for name, value in values.items()},
    }  # fmt: skip


def drawn_rows(dice: random.Random, count: int = 60) -> list[Row]:
    """Rows whose keys are pairs, of which neither part is unique; a code may have a quote."""
    return [drawn_row(dice, number % 7, f"c'{number // 7}") for number in range(count)]


def changed_rows(dice: random.Random, rows: Sequence[Row]) -> list[Row]:
    """Another version, in another order: a few rows are gone or new, and of a few others one value is drawn again."""
    kept = [dict(row) for row in rows if dice.random() > 0.08]
    for row in kept:
        if dice.random() < 0.12:
            name = dice.choice([name for name in SCHEMA.names if name not in KEY])
            row[name] = drawn_row(dice, 0, "")[name]
    new = [drawn_row(dice, 7, f"n{dice.random()}") for _ in range(dice.randrange(5))]
    dice.shuffle(kept)
    return kept + new


def counted_changes(before: Sequence[Row], after: Sequence[Row]) -> tuple[int, int]:
    """How many rows of a version are new or differ from the one before, and how many keys are gone."""
    olds, news = ({tuple(row[name] for name in KEY): repr(row) for row in rows} for rows in (before, after))
    return sum(olds.get(key) != text for key, text in news.items()), len(olds.keys() - news.keys())


def write_version(
    settings: Settings, number: int, rows: Sequence[Row], *statements: str, key: Sequence[str] = KEY,
    schema: pa.Schema = SCHEMA,
) -> None:  # fmt: skip
    """A snapshot with these rows, beside the tables of the first one; statements may change more."""
    file = settings.warehouse_dir.parent / f"version-{number}.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), file)
    altered(settings, 1, number, f"create table marts.versions as from read_parquet('{file}')", *statements)
    describe_key(settings.snapshots_dir / folder_name(number), key)


def describe_key(folder: Path, key: Sequence[str]) -> None:
    """Name the table's key in the description of a snapshot."""
    description = folder / "schema.json"
    found = json.loads(description.read_text())
    found["tables"]["marts.versions"] = {"key": list(key), "columns": {}}
    description.unlink()
    description.write_text(json.dumps(found))


def write_two(settings: Settings, first: int, second: int) -> tuple[list[Row], list[Row]]:
    """Two snapshots with versions that differ in rows that are new, gone and changed. Returns: their rows."""
    dice = random.Random(5)
    before = drawn_rows(dice)
    after = [*before[3:30], {**before[30], "note": "another one"}, *before[31:], drawn_row(dice, 8, "new")]
    write_version(settings, first, before)
    write_version(settings, second, after)
    assert counted_changes(before, after) == (2, 3)
    return before, after


def control_row(settings: Settings, number: int) -> tuple[Any, ...]:
    """What ``ops_published_tables`` says of the table after a delivery of a snapshot."""
    manifest = read_manifest(settings.snapshots_dir / f"{number:06d}" / "manifest.json")
    assert manifest is not None
    table = manifest["tables"]["marts.versions"]
    return (table["rows"], table["checksum"], number)
