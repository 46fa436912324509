"""The log of runs: written as they happen, so that a killed run stays visible and is marked by the next one."""

# ruff: noqa: DTZ001 - times are naive UTC in the load file

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from referral_warehouse.load import run_log
from referral_warehouse.load.report import StreamReport
from referral_warehouse.load.storage.load_file import LoadFile
from tests.load.accounts import Account

AT = datetime(2026, 1, 5, 8)


def test_a_run_that_never_finished_is_marked_by_the_next_one(tmp_path: Path) -> None:
    with LoadFile(tmp_path / "load.duckdb") as load_file:
        load_file.connection.execute("create schema raw")
        run_log.start(load_file, "one", "sync")
        assert load_file.rows.column("select status from raw.runs") == ["running"]
        run_log.start(load_file, "two", "load")
        run_log.finish(
            load_file, "two", status="done", calls=7, observed_at=AT,
            reports=[StreamReport("users", AT, True, 5, 4, 9, 3, 1, 6)], reconciled=[],
        )  # fmt: skip
        assert load_file.connection.execute(
            "select run_id, command, status, calls, error, finished_at is null from raw.runs order by run_id"
        ).fetchall() == [("one", "sync", "interrupted", None, None, True), ("two", "load", "done", 7, None, False)]
        assert load_file.connection.execute("from raw.run_streams").fetchall() == [
            ("two", "users", AT, True, 5, 4, 9, 3, 1, 6)
        ]


def test_a_run_that_is_stopped_is_logged_as_interrupted(account: Account) -> None:
    def stop(stage: str, facts: dict[str, object]) -> None:
        if stage == "rewards_due":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        account.load(progress=stop)
    last = account.query("select status, error, calls > 0 from raw.runs order by started_at desc limit 1")
    assert last == [("interrupted", "KeyboardInterrupt", True)]
    assert account.load().rows_written == 0


def test_the_streams_of_a_run_are_counted(account: Account) -> None:
    found = account.query(
        "select stream, is_complete, api_count = our_count, rows_seen, rows_written from raw.run_streams order by all"
    )
    counts = {stream: len(account.world.rows(stream)) for stream in ("campaigns", "rewards", "rewards_due", "users")}
    for stream, count in counts.items():
        assert (stream, True, True, count, count) in found
    assert {row[0] for row in found} == {*counts, "rewards_issued", "coupons"}


def test_changed_settings_of_units_and_settlement_are_recorded_with_their_first_run(
    account: Account,
) -> None:
    unchanged = account.settings
    for settings in (
        unchanged,
        replace(unchanged, settles_on=(("credit", "use"),)),
        replace(unchanged, settles_on=(("credit", "use"),), expires_after_days=(("credit", 30),)),
    ):
        account.settings = settings
        for _ in range(2):
            account.load("rewards_due")
    account.settings = replace(unchanged, reward_units=(("Coupon", "credit"),))
    account.load("rewards_due")
    runs = account.query("select run_id from raw.runs order by started_at")
    terms = account.query("select terms_no, run_id, terms from raw.term_settings order by terms_no")
    assert [(number, json.loads(value)) for number, _, value in terms] == [
        (1, {}), (2, {"credit": ["use", None]}), (3, {"credit": ["use", 30]}), (4, {})
    ]  # fmt: skip
    assert [run_id for _, run_id, _ in terms[1:]] == [runs[-5][0], runs[-3][0], runs[-1][0]]
    units = account.query("select settings_no, run_id, units from raw.unit_settings order by settings_no")
    assert [(number, json.loads(value)) for number, _, value in units] == [(1, {}), (2, {"Coupon": "credit"})]
    assert units[-1][1] == runs[-1][0]
