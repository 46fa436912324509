"""What a run prints while it works and when it ends: a line every half minute, one line per error, no secrets."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from referral_warehouse import errors
from referral_warehouse.cli.run_logging import MAX_SILENCE_S, LogHandler
from referral_warehouse.errors import ReferralsError
from referral_warehouse.events import log_client_event, log_progress, log_stage
from referral_warehouse.sandbox import Quirks, Sandbox
from tests.cli.conftest import FirstSync
from tests.cli.processes import PREFIX, Referrals

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
REQUEST = {"kind": "request", "path": "users?page=2", "status": 200, "attempt": 1, "elapsed_s": 0.3, "bytes": 9}
RETRY = {"kind": "retry", "path": "users?page=2", "attempt": 1, "reason": "HTTP 500", "wait_s": 1.0}
STRIKE = {"kind": "strike", "path": "users?page=2", "strikes": 1, "wait_s": 62.0}
WAIT = {"kind": "wait", "wait_s": 40.0, "reason": "budget"}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_log(style: str | None = None, **options: Any) -> tuple[LogHandler, io.StringIO, Clock]:
    out, clock = io.StringIO(), Clock()
    return LogHandler(style, stream=out, clock=clock, now=lambda: NOON, **options), out, clock


@contextmanager
def attached(log: LogHandler) -> Iterator[None]:
    """The handler without its thread, so that time is the test's own."""
    log.attach()
    try:
        yield
    finally:
        log.detach()


def send(*events: dict[str, Any]) -> None:
    for event in events:
        log_client_event(event["kind"], {name: value for name, value in event.items() if name != "kind"})


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({"style": "json"}, ["stage", "retry", "strike", "wait", "alive"]),
        ({"style": "json", "verbose": True}, ["stage", "request", "retry", "strike", "wait", "alive"]),
    ],
)
def test_lines_for_collectors(options: dict[str, Any], kinds: list[str]) -> None:
    log, out, clock = make_log(**options)
    with attached(log):
        log_stage("load", "users", {"rows": 250})
        log_progress("load", "users", {"rows": 500})
        send(REQUEST, RETRY, STRIKE, WAIT, WAIT | {"wait_s": 0.05})
        clock.now += MAX_SILENCE_S
        log.report_alive()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == kinds
    assert {line["at"] for line in lines} == {"2026-05-01T12:00:00Z"}
    assert {line["level"] for line in lines} <= {"debug", "info", "warning"}
    assert lines[-1] | {"stage": "users", "rows": 500, "calls": 1, "last_answer_s": MAX_SILENCE_S} == lines[-1]


def test_a_line_for_collectors_is_this_object() -> None:
    log, out, clock = make_log("json", verbose=True)
    with attached(log):
        log_stage("load", "users", {"rows": 1250})
        send(REQUEST, RETRY, STRIKE, WAIT)
        clock.now += MAX_SILENCE_S
        log.report_alive()
    begin = '{"at":"2026-05-01T12:00:00Z","level":'
    assert out.getvalue().splitlines() == [
        f'{begin}"info","event":"stage","message":"users (1,250 rows)","stage":"users","rows":1250}}',
        f'{begin}"debug","event":"request","message":"HTTP 200 in 0.3 s: users?page=2","path":"users?page=2",'
        '"status":200,"attempt":1,"elapsed_s":0.3,"bytes":9}',
        f'{begin}"info","event":"retry","message":"retrying in 1.0 s (HTTP 500): users?page=2",'
        '"path":"users?page=2","attempt":1,"reason":"HTTP 500","wait_s":1.0}',
        f'{begin}"warning","event":"strike","message":"HTTP 429, rate-limit violation 1 of the last 7 days: '
        'waiting 62 s (users?page=2)","path":"users?page=2","strikes":1,"wait_s":62.0}',
        f'{begin}"info","event":"wait","message":"waiting 40 s: budget","wait_s":40.0,"reason":"budget"}}',
        f'{begin}"info","event":"alive","message":"still at users (1,250 rows): 25 s, 1 calls, the last response 25 s '
        'ago","stage":"users","rows":1250,"calls":1,"running_s":25.0,"last_answer_s":25.0}',
    ]


@pytest.mark.parametrize(("is_terminal", "count"), [(True, 1), (False, 2)])
def test_without_options_only_violations_and_progress_are_logged(is_terminal: bool, count: int) -> None:
    log, out, clock = make_log(is_terminal=is_terminal)
    with attached(log):
        log_stage("load", "users", {"rows": 250})
        send(REQUEST, RETRY, STRIKE, WAIT)
        clock.now += MAX_SILENCE_S
        log.report_alive()
    lines = out.getvalue().splitlines()
    assert len(lines) == count
    assert (
        lines[0]
        == "2026-05-01T12:00:00Z HTTP 429, rate-limit violation 1 of the last 7 days: waiting 62 s (users?page=2)"
    )
    if not is_terminal:
        assert "still at users (250 rows): 25 s, 1 calls, the last response 25 s ago" in lines[1]


def test_no_half_minute_passes_without_a_line(tmp_path: Path) -> None:
    log, out, clock = make_log("text")
    spoken = [clock.now]
    with attached(log):
        for step in range(600):
            before = len(out.getvalue())
            if step % 97 == 0:
                send(RETRY)
            left = log.report_alive()
            assert 0 < left <= MAX_SILENCE_S
            if len(out.getvalue()) > before:
                assert clock.now - spoken[-1] < 30
                spoken.append(clock.now)
            clock.now += min(1.0, left)
    assert len(spoken) > 15


def test_the_thread_writes_while_the_run_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("referral_warehouse.cli.run_logging.MAX_SILENCE_S", 0.01)
    heard = threading.Event()

    class Out(io.StringIO):
        def write(self, text: str) -> int:
            heard.set()
            return super().write(text)

    with LogHandler("text", stream=Out()):
        assert heard.wait(30)
    assert not any(thread.name == "log" for thread in threading.enumerate())


def test_a_closed_standard_error_ends_no_run() -> None:
    out = io.StringIO()
    log = LogHandler("text", stream=out)
    out.close()
    with attached(log):
        log_stage("load", "users", {})
        log_stage("load", "rewards", {})


@pytest.mark.parametrize(
    "kind",
    [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Exception)],
    ids=lambda k: k.__name__,
)
def test_every_error_says_what_was_kept_and_what_to_do_in_one_line(kind: type[ReferralsError]) -> None:
    error = kind("It broke\non page 3.", 404) if kind is errors.RequestRefused else kind("It broke\non page 3.")
    assert str(error) == f"It broke on page 3. {kind.kept} Next: {error.next_step}"
    assert kind.kept.endswith((" kept.", " untouched.", " touched.", " changed."))
    assert len(error.next_step) > 20


def test_errors_that_cause_each_other_are_each_examined_once() -> None:
    first, second = ValueError("first"), OSError("second")
    first.__context__, second.__context__ = second, first
    assert list(errors.causes(first)) == [first, second]


def test_a_slow_sync_and_its_end_are_logged_as_json(environ: dict[str, str], tmp_path: Path) -> None:
    """A real run whose responses hang, with a shorter interval of the line that it is alive."""
    code = (
        "import referral_warehouse.cli.run_logging as log; log.MAX_SILENCE_S = 0.05; "
        "from referral_warehouse.__main__ import main; main()"
    )
    with Sandbox(users=30, seed=4, calls_per_minute=0, quirks=Quirks(slow_every=2, slow_s=60.0)) as slow:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "sync", "--log-format", "json"],
            env=environ | {f"{PREFIX}BASE_URL": slow.base_url}, cwd=tmp_path, text=True, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            lines = [json.loads(process.stderr.readline())]
            while lines[-1]["event"] != "alive" or lines[-1]["calls"] == 0:
                lines.append(json.loads(process.stderr.readline()))
            process.terminate()
            lines += [json.loads(line) for line in process.communicate(timeout=60)[1].splitlines()]
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 143
    assert {"stage", "running_s", "last_answer_s"} <= next(line for line in lines if line["event"] == "alive").keys()
    assert lines[-1] | {"event": "failed", "error": "Stopped", "exit_code": 143} == lines[-1]
    assert lines[-1]["kept"] == "Committed data is kept."


def test_stages_of_a_whole_sync_are_logged_beside_its_summary(first_sync: FirstSync) -> None:
    directory, *lines = [json.loads(line) for line in first_sync.stderr.splitlines()]
    assert directory["directory"] == str(first_sync.directory)
    stages = [line["stage"] for line in lines]
    assert [name for name in stages if name in ("campaigns", "users", "build", "publish")] == [
        "campaigns", "users", "build", "publish",
    ]  # fmt: skip
    [summary] = first_sync.stdout.splitlines()
    assert json.loads(summary)["published"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["sync", "--streams", "invoices"], 2, "invoices"),
        (["sync", "--no-such-option"], 2, "no-such-option"),
    ],
)
def test_errors_are_json_where_the_log_is(referrals: Referrals, arguments: list[str], code: int, words: str) -> None:
    done = referrals("--log-format", "json", *arguments)
    assert done.returncode == code
    [line] = done.stderr.splitlines()
    record = json.loads(line)
    assert (record["exit_code"], record["level"]) == (code, "error")
    assert words in record["message"]
    assert record["next"]


@pytest.mark.parametrize("flags", [[], ["--verbose"]], ids=["short", "verbose"])
def test_an_unexpected_error_is_one_line_and_its_traceback_hides_the_token(
    environ: dict[str, str], tmp_path: Path, flags: list[str]
) -> None:
    code = (
        "import os, referral_warehouse.load.runner as runner\n"
        "def broken(*a, **k): raise KeyError(os.environ['SOURCES__REFERRAL_FACTORY__API_TOKEN'])\n"
        "runner.load = broken\nfrom referral_warehouse.__main__ import main\nmain()"
    )
    token = "tok-planted-0123456789"
    done = subprocess.run(
        [sys.executable, "-c", code, "sync", *flags], env=environ | {f"{PREFIX}API_TOKEN": token}, cwd=tmp_path,
        text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    *before, last = done.stderr.splitlines()
    assert last.startswith("referrals: Unexpected error: KeyError at sync.py:")
    assert "Committed data is kept. Next: Run the same command with --verbose" in last
    assert ("Traceback (most recent call last):" in before) is bool(flags)
    assert token not in done.stderr
