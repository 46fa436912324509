"""The steps of docs/adding-a-stream.md, checked for every stream: a step that is missing is named.

Each step is also shown to fail, on a stream that nobody has added.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from referral_warehouse.load import streams
from referral_warehouse.load.clock.stored_times import FETCHED, HISTORIES
from referral_warehouse.load.records.schema import Field, LoadStrategy, TableSchema, fields
from referral_warehouse.load.registry import DOCUMENTED, STREAMS, with_required
from referral_warehouse.load.streams.complete_list import CompleteList
from referral_warehouse.load.streams.stream import Stream
from referral_warehouse.sandbox.domain.resources import TABLES
from referral_warehouse.sandbox.http.app import ROUTES
from referral_warehouse.warehouse.connection import RECORD_TABLES
from referral_warehouse.warehouse.deletion_guard import LIVE
from referral_warehouse.warehouse.history_guard import RECORDS

PROJECT = Path(__file__).parents[2]
RAW = (PROJECT / "sql" / "raw.sql").read_text(encoding="utf-8")
PAGE = (PROJECT / "docs" / "streams.md").read_text(encoding="utf-8")
DLT_PAGE = (PROJECT / "docs" / "dlt-source.md").read_text(encoding="utf-8")
HISTORY = (PROJECT / "sql" / "ops" / "history.sql").read_text(encoding="utf-8")
KEYS = (PROJECT / "sql" / "checks" / "fail_keys_core.sql").read_text(encoding="utf-8")
UNGUARDED = {"rewards_due"}
"""Its rows leave the list when they are issued: ops.history holds its past, its reversals have a rule of their own."""
# What only the truth of the sandbox shows beside the documented fields of a stream.
JOINED = {"coupons": {"batch_name", "campaign_id"}}
SELECTED = re.compile(r"^ {4,}(?:[\w.]+(?: as \w+)?|.+ as \w+),?\s*(?P<comment>--.*)?$")


def documented_fields(stream: Stream) -> str | None:
    """The documented fields, their types and which of them must be there."""
    if stream.schema.name != stream.name:
        return f"the raw table of {stream.name!r} must have its name, not {stream.schema.name!r}"
    if stream.schema.fields[0] != Field("id", "int", "value"):
        return f"the first field of {stream.name!r} must be id:int:value"
    missing = set(stream.cursors) - {field.name for field in stream.schema.fields}
    return f"the cursors {sorted(missing)} of {stream.name!r} are no fields of it" if missing else None


def raw_table(stream: Stream) -> str | None:
    """The table that models may read; tests/test_schema_files.py compares its columns."""
    is_there = f"create table raw.{stream.name} (" in RAW
    return None if is_there else f"run `make docs`: raw.{stream.name} is not in sql/raw.sql"


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
        return f"sql/core/{stream.name}.sql does not state its grain (a line beginning with -- grain:)"
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
    if stream.name not in TABLES:
        return (
            f"let the sandbox serve {stream.name!r}: TABLES in pipelines/referral_warehouse/sandbox/domain/resources.py"
        )
    served = set(TABLES[stream.name].fields) - JOINED.get(stream.name, set())
    known = {field.name for field in stream.schema.fields}
    if served != known:
        return f"the fields of {stream.name!r} differ between sandbox and loader: {sorted(served ^ known)}"
    return None


def sandbox_endpoint(stream: Stream) -> str | None:
    """The sandbox answers below the path of the stream; coupons come with their users."""
    paths = [route.path for route in ROUTES]
    if any(path == f"/api/v1/{stream.path}" or path.startswith(f"/api/v1/{stream.path}/") for path in paths):
        return None
    return f"serve {stream.name!r}: a Route in pipelines/referral_warehouse/sandbox/http/app.py"


def guards(stream: Stream) -> str | None:
    """Lost history, records that vanish, times of a wrong clock and doubled keys are detected."""
    lists: dict[str, object] = {
        "RECORD_TABLES in pipelines/referral_warehouse/warehouse/connection.py": RECORD_TABLES,
        "FETCHED in pipelines/referral_warehouse/load/clock/stored_times.py": FETCHED,
    }
    if stream.schema.is_history:
        lists["HISTORIES in pipelines/referral_warehouse/load/clock/stored_times.py"] = HISTORIES
        lists["sql/ops/history.sql"] = re.findall(r"select\s+'(\w+)' as stream", HISTORY)
    if stream.name not in UNGUARDED:
        lists["RECORDS in pipelines/referral_warehouse/warehouse/history_guard.py"] = RECORDS
        lists["LIVE in pipelines/referral_warehouse/warehouse/deletion_guard.py"] = LIVE
    for where, names in lists.items():
        if stream.name not in names:  # type: ignore[operator]
            return f"add {stream.name!r} to {where}"
    return None if f"core.{stream.name}" in KEYS else f"add core.{stream.name} to sql/checks/fail_keys_core.sql"


def page(stream: Stream) -> str | None:
    """A row in the table of streams of docs/streams.md."""
    section = PAGE.partition("\n## Streams")[2].partition("\n## ")[0]
    if not re.search(rf"^\| *`{stream.name}` *\|", section, re.MULTILINE):
        return f"describe {stream.name!r} in docs/streams.md under '## Streams': a row that begins | `{stream.name}` |"
    if f"| `{stream.name}` |" not in DLT_PAGE:
        return f"add {stream.name!r} to the table of resources in docs/dlt-source.md"
    return None


def registered(stream: Stream) -> str | None:
    """The registry lists it after the streams that it requires, and the documentation of the API describes it."""
    where = "pipelines/referral_warehouse/load/registry.py"
    if stream.name not in STREAMS:
        return f"add {stream.name!r} to STREAMS in {where}"
    before = list(STREAMS)[: list(STREAMS).index(stream.name)]
    if not set(stream.requires) <= set(before):
        return f"move {stream.name!r} behind the streams that it requires in {where}"
    if not stream.section:
        return f"name the section of the API documentation that describes {stream.name!r}"
    return None


Step = Callable[[Stream], str | None]
STEPS: list[Step] = [
    registered, documented_fields, raw_table, staging_model, core_model, column_comments, sandbox_table,
    sandbox_endpoint, guards, page,
]  # fmt: skip


class NotAdded(CompleteList):
    """A stream that exists nowhere else."""

    name = "referral_links"
    path = "referral-links"
    section = ""
    schema = TableSchema("referral_links", fields("name:text"), LoadStrategy.LIST_HISTORY)


NOT_ADDED = NotAdded()


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


def test_every_stream_that_is_written_is_registered() -> None:
    for module in pkgutil.iter_modules(streams.__path__):
        for found in vars(importlib.import_module(f"{streams.__name__}.{module.name}")).values():
            if isinstance(found, type) and issubclass(found, Stream) and "name" in vars(found):
                assert found.name in STREAMS, (
                    f"add {found.__name__}() to STREAMS in pipelines/referral_warehouse/load/registry.py"
                )


def test_only_streams_are_described() -> None:
    assert set(DOCUMENTED) - set(STREAMS) == {"coupon_batches"}
    alone = sorted(set(TABLES) ^ set(STREAMS))
    assert not alone, f"in STREAMS (load/registry.py) or TABLES (sandbox/domain/resources.py) alone: {alone}"


def test_a_stream_is_loaded_with_those_that_it_requires() -> None:
    assert with_required(["coupons"]) == {"users", "coupons"}
    assert with_required(["rewards"]) == {"rewards"}
    assert with_required([]) == set(STREAMS)
