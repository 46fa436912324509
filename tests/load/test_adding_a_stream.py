"""The steps of docs/adding-a-stream.md, checked for every stream: a step that is missing is named.

Each step is also shown to fail, on a stream that nobody has added.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from referral_warehouse.load.records.schema import FIELDS
from referral_warehouse.load.registry import STREAMS, Stream
from referral_warehouse.load.storage.dlt_resources import loading, table_schema
from referral_warehouse.sandbox.domain.resources import TRUTH

PROJECT = Path(__file__).parents[2]
RAW = (PROJECT / "tests" / "warehouse" / "raw_schema.sql").read_text(encoding="utf-8")
PAGE = (PROJECT / "docs" / "streams.md").read_text(encoding="utf-8")
# What only the truth of the sandbox shows beside the documented fields of a stream.
JOINED = {"coupons": {"batch_name", "campaign_id"}}
SELECTED = re.compile(r"^ {4,}(?:[\w.]+(?: as \w+)?|.+ as \w+),?\s*(?P<comment>--.*)?$")


def fields(stream: Stream) -> str | None:
    """The documented fields, their types and which of them must be there."""
    if stream.name not in FIELDS:
        return f"name the fields of {stream.name!r} in FIELDS of pipelines/referral_warehouse/load/records/schema.py"
    if FIELDS[stream.name][0].name != "id" or FIELDS[stream.name][0].must != "value":
        return f"the first of FIELDS[{stream.name!r}] must be id:int:value"
    missing = set(stream.cursors) - {field.name for field in FIELDS[stream.name]}
    return f"the cursors {sorted(missing)} of {stream.name!r} are no fields of it" if missing else None


def raw_table(stream: Stream) -> str | None:
    """The table in the load file, as the models' tests plant it."""
    found = re.search(rf"create table raw\.{stream.name} \((.*?)\n\);", RAW, re.DOTALL)
    if not found:
        return f"create raw.{stream.name} in tests/warehouse/raw_schema.sql"
    columns = set(re.findall(r"(?:^|, ?)\s*(\w+) \w+", found[1], re.MULTILINE))
    missing = set(table_schema(stream.name).names) - columns
    return f"raw.{stream.name} in tests/warehouse/raw_schema.sql lacks {sorted(missing)}" if missing else None


def staging_model(stream: Stream) -> str | None:
    """The view that renames and types."""
    path = PROJECT / "sql" / "staging" / f"stg_{stream.name}.sql"
    if not path.is_file():
        return f"write sql/staging/stg_{stream.name}.sql"
    if f"raw.{stream.name}" not in path.read_text(encoding="utf-8"):
        return f"sql/staging/stg_{stream.name}.sql does not read raw.{stream.name}"
    return None


def core_model(stream: Stream) -> str | None:
    """The published table, one row per id."""
    path = PROJECT / "sql" / "core" / f"{stream.name}.sql"
    if not path.is_file():
        return f"write sql/core/{stream.name}.sql"
    header = path.read_text(encoding="utf-8").split("\nwith ", 1)[0].split("\nselect", 1)[0]
    if "-- grain:" not in header:
        return f"sql/core/{stream.name}.sql does not say its grain (a line beginning with -- grain:)"
    return None


def column_comments(stream: Stream) -> str | None:
    """A comment behind every column of the core model: BI tools show it."""
    path = PROJECT / "sql" / "core" / f"{stream.name}.sql"
    if not path.is_file():
        return f"write sql/core/{stream.name}.sql with a comment behind each column"
    final = path.read_text(encoding="utf-8").rsplit("final as (", 1)[-1].split("\n    from", 1)[0]
    columns = [line for line in final.splitlines() if SELECTED.match(line) and "select" not in line]
    if len(columns) < 3:
        return f"sql/core/{stream.name}.sql: the last CTE, final, must list the columns one to a line"
    bare = [line.strip() for line in columns if not SELECTED.match(line)["comment"]]  # type: ignore[index]
    return f"sql/core/{stream.name}.sql: comment {', '.join(bare)}" if bare else None


def sandbox_table(stream: Stream) -> str | None:
    """The sandbox serves it with the documented fields, which it read for itself."""
    if stream.name not in TRUTH:
        return (
            f"let the sandbox serve {stream.name!r}: TRUTH in pipelines/referral_warehouse/sandbox/domain/resources.py"
        )
    served = set(TRUTH[stream.name].fields) - JOINED.get(stream.name, set())
    known = {field.name for field in FIELDS.get(stream.name, ())}
    if served != known:
        return f"the fields of {stream.name!r} differ between sandbox and loader: {sorted(served ^ known)}"
    return None


def page(stream: Stream) -> str | None:
    """A row in the table of streams of docs/streams.md."""
    section = PAGE.partition("\n## Streams")[2].partition("\n## ")[0]
    if not re.search(rf"^\| *`{stream.name}` *\|", section, re.MULTILINE):
        return f"describe {stream.name!r} in docs/streams.md under '## Streams': a row that begins | `{stream.name}` |"
    return None


def loading_kind(stream: Stream) -> str | None:
    """How it is loaded, and from where."""
    if stream.loading == "riding" and stream.rides_on not in STREAMS:
        return f"say in pipelines/referral_warehouse/load/registry.py which stream {stream.name!r} rides on"
    if not stream.section:
        return f"say in pipelines/referral_warehouse/load/registry.py which section describes {stream.name!r}"
    if stream.name in STREAMS and stream.loading in ("history", "issued") and loading(stream.name) != stream.loading:
        return f"load/storage/dlt_resources.py loads {stream.name!r} as {loading(stream.name)}"
    return None


Step = Callable[[Stream], str | None]
STEPS: list[Step] = [
    loading_kind, fields, raw_table, staging_model, core_model, column_comments, sandbox_table, page,
]  # fmt: skip
NOT_ADDED = Stream("referral_links", "referral-links", "riding")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("name", STREAMS)
def test_every_step_was_taken_for_the_stream(name: str, step: Step) -> None:
    missing = step(STREAMS[name])
    assert missing is None, missing


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_step_that_was_not_taken_is_named(step: Step) -> None:
    missing = step(NOT_ADDED)
    assert missing is not None
    assert NOT_ADDED.name in missing


def test_nothing_is_described_that_is_no_stream() -> None:
    assert set(FIELDS) - set(STREAMS) == {"coupon_batches"}
    assert set(TRUTH) == set(STREAMS)
