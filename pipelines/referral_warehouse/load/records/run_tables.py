"""The raw tables of the log of runs. The loader writes them itself, and not through dlt; knows no stream."""

from __future__ import annotations

from referral_warehouse.load.records.schema import TableSchema, fields

RUNS = TableSchema(
    "runs",
    fields(
        "run_id:text:value", "command:text", "started_at:time", "finished_at:time", "observed_at:time", "status:text",
        "calls:int", "error:text",
    ),
    key=("run_id",), technical=(),
)  # fmt: skip
"""One row for each run of the loader."""

RUN_STREAMS = TableSchema(
    "run_streams",
    fields(
        "run_id:text:value", "stream:text:value", "observed_at:time", "is_complete:bool", "api_count:int",
        "our_count:int", "rows_seen:int", "rows_written:int", "rows_quarantined:int", "calls:int",
    ),
    key=("run_id", "stream"), technical=(),
)  # fmt: skip
"""What a run did for each stream."""

RUN_CALLS = TableSchema(
    "run_calls",
    fields("run_id:text:value", "stream:text:value", "purpose:text:value", "calls:int:value"),
    key=("run_id", "stream", "purpose"), technical=(),
)  # fmt: skip
"""What the calls of a run were for, for each stream: see ``api.query.Purpose``."""

RECONCILIATION = TableSchema(
    "reconciliation",
    fields(
        "run_id:text:value", "stream:text:value", "observed_at:time", "compared_by:text", "upto_id:int",
        "api_count:int", "our_count:int", "found:text", "repaired_by:text", "rows_missing:int", "rows_changed:int",
        "rows_vanished:int", "rows_reappeared:int", "in_flight:text", "calls:int",
    ),
    key=("run_id", "stream"), technical=(),
)  # fmt: skip
"""The result of comparing counts with the API, for each run and stream."""

LIST_TOTALS = TableSchema(
    "list_totals",
    fields("run_id:text:value", "stream:text:value", "rows:int", "rewards:text", "value:text"),
    key=("run_id", "stream"), technical=(),
)  # fmt: skip
"""What the rows of a reward list added up to when the last run read them, once it has ended.

``rewards`` is an integer and ``value`` a decimal, both as text: sums may exceed every numeric column of the load file.
"""

UNIT_SETTINGS = TableSchema(
    "unit_settings",
    fields("settings_no:int:value", "run_id:text:value", "units:json:value"),
    key=("settings_no",), technical=(),
)  # fmt: skip
"""The setting of reward units (``units``, an object), once for each run that found it changed, numbered from 1."""

TERM_SETTINGS = TableSchema(
    "term_settings",
    fields("terms_no:int:value", "run_id:text:value", "terms:json:value"),
    key=("terms_no",), technical=(),
)  # fmt: skip
"""The settings of settlement and expiry (``terms``, an object), once for each run that found them changed, from 1."""

REFRESH_ROUNDS = TableSchema(
    "refresh_rounds",
    fields(
        "stream:text:value", "complete_at:time", "sweep_every_days:int", "lookback_days:int", "syncs_per_round:int",
        "page_rows:int",
    ),
    key=("stream",), technical=(),
)  # fmt: skip
"""How the rows of a stream are kept fresh: when all of them were last read in one run, and what reads them again.

``syncs_per_round`` is how many syncs read every row again a few pages at a time, ``page_rows`` how many rows such a
page has.
"""

REFRESH_RANGES = TableSchema(
    "refresh_ranges",
    fields("stream:text:value", "above_id:int", "upto_id:int", "seen_at:time:value"),
    key=("stream", "upto_id"), technical=(),
)  # fmt: skip
"""Ranges of ids whose rows were read again after the last complete read; nothing is written to the rows themselves.

An end without a value is no bound. The ids are those of users, also for coupons, which are read with their holders.
"""

RUN_TABLES = (
    RUNS, RUN_STREAMS, RUN_CALLS, RECONCILIATION, LIST_TOTALS, UNIT_SETTINGS, TERM_SETTINGS, REFRESH_ROUNDS,
    REFRESH_RANGES,
)  # fmt: skip
