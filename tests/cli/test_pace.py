"""Progress shows how many calls are left, how fast they are sent, and how long they take within the budget."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress

from referral_warehouse.cli.console import PaceColumn
from referral_warehouse.cli.pace import Pace, pace_text
from referral_warehouse.cli.run_logging import MAX_SILENCE_S, LogHandler
from referral_warehouse.events import log_client_event, log_progress, log_stage

REQUEST = {"path": "users?page=2", "status": 200, "attempt": 1, "elapsed_s": 0.3, "bytes": 9}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def paced(calls: int, seconds: float, budget: int = 0) -> tuple[Pace, Clock]:
    """A pace with so many calls, evenly over some seconds."""
    clock = Clock()
    pace = Pace(clock)
    pace.budget = budget
    for _ in range(calls):
        clock.now += seconds / calls
        pace.answered()
    return pace, clock


def test_the_rate_so_far_says_how_long_the_calls_take_that_are_left() -> None:
    pace, _ = paced(90, 10.0)
    assert pace.facts() == {"calls_per_s": 9.0}
    pace.expect(180)
    assert pace.facts() == {"calls_per_s": 9.0, "calls_left": 180, "left_s": 20}
    pace.answered()
    assert pace.facts()["calls_left"] == 179, "it counts down between two reports"
    pace.expect(None)
    assert "calls_left" not in pace.facts()


def test_a_first_minute_that_sends_its_budget_at_once_promises_no_such_speed() -> None:
    pace, _ = paced(500, 10.0, budget=540)  # 50 calls a second, until the window is used up
    pace.expect(580)
    assert pace.facts()["left_s"] == 60, "40 at once, 540 in the next minute"
    pace.expect(40)
    assert pace.facts()["left_s"] == 1


@given(st.integers(1, 600), st.floats(1.0, 300.0), st.integers(0, 5_000), st.one_of(st.just(0), st.integers(60, 600)))
def test_no_estimate_is_below_what_rate_and_budget_allow(calls: int, seconds: float, left: int, budget: int) -> None:
    pace, _ = paced(calls, seconds, budget)
    pace.expect(left)
    facts = pace.facts()
    assert facts["calls_left"] == left
    if "left_s" in facts:
        assert facts["left_s"] >= 0
        if budget:
            assert facts["left_s"] >= (left - budget) / budget * 60 - 1


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"calls_per_s": 9.04}, "9.0 calls a second"),
        ({"calls_per_s": 9.0, "calls_left": 1320, "left_s": 147}, "1,320 calls left, 9.0 calls a second, about 2 min"),
        ({"calls_per_s": 9.0, "calls_left": 12, "left_s": 2}, "12 calls left, 9.0 calls a second, about 2 s"),
        (
            {"calls_per_s": 0.5, "calls_left": 9000, "left_s": 18000},
            "9,000 calls left, 0.5 calls a second, about 5 h 0 min",
        ),
    ],
)
def test_the_pace_of_a_load_in_words(facts: dict[str, float], text: str) -> None:
    assert pace_text(facts) == text


def test_a_terminal_shows_it_beside_the_stage_that_sends_calls() -> None:
    pace, _ = paced(90, 10.0)
    pace.expect(180)
    column = PaceColumn(pace)
    with Progress(column, disable=True) as progress:
        for is_current in (True, False):
            progress.add_task("users", total=None, is_current=is_current)
        shown = [column.render(task).plain for task in progress.tasks]
    assert shown == ["180 calls left, 9.0 calls a second, about 20 s", ""]


@pytest.mark.parametrize("style", [None, "json"])
def test_without_a_terminal_a_line_every_half_minute_says_it(style: str | None) -> None:
    out, clock = io.StringIO(), Clock()
    log = LogHandler(style, stream=out, clock=clock)
    log.pace.budget = 540
    log.attach()
    try:
        log_stage("load", "users", {"rows": 250})
        for _ in range(225):
            clock.now += MAX_SILENCE_S / 225
            log_client_event("request", REQUEST)
        log_progress("load", "users", {"rows": 20_000, "calls_left": 320})
        log.report_alive()
    finally:
        log.detach()
    line = out.getvalue().splitlines()[-1]
    text = (
        "still at users (20,000 rows): 25 s, 225 calls, the last response 0 s ago; 320 calls left, 9.0 calls a second"
    )
    assert text in line
    if style == "json":
        assert json.loads(line) | {"calls_left": 320, "calls_per_s": 9.0, "left_s": 36, "rows": 20_000} == json.loads(
            line
        )
    else:
        assert line.endswith("about 36 s")
