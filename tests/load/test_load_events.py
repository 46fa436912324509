"""A program that uses the loader sees its events through ``logging``, with their values and without secrets."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from typing import Any

import pytest

from referral_warehouse.errors import AuthenticationError
from referral_warehouse.events import log_event
from referral_warehouse.load.runner import load
from referral_warehouse.sandbox import Quirks
from referral_warehouse.settings import Token
from tests.load.accounts import Account

SECRET = "tok-planted-in-a-record"


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []  # records with the attributes that events add

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record)

    def of(self, event: str) -> list[Any]:
        return [record for record in self.found if getattr(record, "event", None) == event]


@contextmanager
def records(level: int = logging.DEBUG) -> Iterator[Records]:
    logger, handler = logging.getLogger("referral_warehouse"), Records()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def test_a_handler_sees_the_events_of_a_load_with_their_fields(account: Account) -> None:
    account.world.set_quirks(Quirks(fail_every=4, fail_status=503))
    with records() as seen:
        report = account.load()
    [started], [finished] = seen.of("run_started"), seen.of("run_finished")
    assert (seen.found[0], seen.found[-1]) == (started, finished)
    assert (started.name, started.fields) == ("referral_warehouse.load", {"command": "load"})
    assert finished.fields == {
        "command": "load", "run_id": report.run_id, "rows_written": report.rows_written, "calls": report.calls,
    }  # fmt: skip
    retries, requests = seen.of("retry"), seen.of("request")
    assert len(requests) == report.calls
    assert {record.levelname for record in retries} == {"INFO"}
    assert {record.fields["reason"] for record in retries} == {"HTTP 503"}
    assert all(record.name == "referral_warehouse.api" and record.fields["wait_s"] >= 0 for record in retries)
    assert "users" in [record.fields["stage"] for record in seen.of("stage")]


def test_a_load_that_fails_is_an_event_with_its_error(account: Account) -> None:
    account.world.set_quirks(Quirks(token_expires_after=1))
    with records(logging.ERROR) as seen, pytest.raises(AuthenticationError):
        account.load()
    [failed] = seen.found
    assert failed.fields == {"command": "load", "error": "AuthenticationError"}
    assert failed.getMessage().startswith("load failed: AuthenticationError: ")


def test_nothing_is_written_where_no_handler_is_attached(account: Account) -> None:
    account.world.set_quirks(Quirks(fail_every=4, fail_status=503))
    with redirect_stderr(io.StringIO()) as written:
        account.load()
    assert written.getvalue() == ""
    code = (
        "import logging\nfrom referral_warehouse.events import log_warning\nlog_warning('load', 'clock', 'planted')\n"
        "logging.getLogger('other').warning('seen')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "seen\n"


def test_no_record_holds_a_token() -> None:
    token = Token(SECRET)
    with records() as seen:
        log_event("api", "retry", f"refused: Bearer {SECRET}", reason=f"Bearer {token.reveal()}", attempt=1)
    [record] = seen.found
    assert record.getMessage() == "refused: Bearer ***"
    assert record.fields == {"reason": "Bearer ***", "attempt": 1}


def test_progress_of_the_caller_is_still_called(account: Account) -> None:
    stages: list[str] = []
    load(replace(account.settings, concurrency=1), ["campaigns"], progress=lambda name, _facts: stages.append(name))
    assert stages[-1:] == ["campaigns"]
