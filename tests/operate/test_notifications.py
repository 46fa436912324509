"""Which events are derived from a run, and what the receivers get."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from referral_warehouse.operate.history import History
from referral_warehouse.operate.notifications import events_of, payload
from referral_warehouse.operate.outcomes import Outcome
from referral_warehouse.redaction import register_secret
from tests.operate.runs import event_names, outcome


def failed(number: int, error: str = "ApiUnavailable", code: int = 4, **changes: object) -> Outcome:
    return outcome("sync", number, "failed", error=error, exit_code=code, message="no", next_step="wait", **changes)


def test_the_first_failure_another_error_and_the_recovery_are_sent() -> None:
    runs = [
        outcome("sync", 0),
        failed(1),
        failed(2),
        failed(3, "AuthenticationError", 3),
        failed(4, "AuthenticationError", 3),
    ]
    assert event_names(*runs, outcome("sync", 5), outcome("sync", 6)) == [
        [],
        ["failure"],
        [],
        ["failure"],
        [],
        ["recovery"],
        [],
    ]


def test_a_failure_that_lasts_is_sent_once_a_day() -> None:
    found = event_names(*(failed(hour) for hour in range(75)))
    assert [hour for hour, events in enumerate(found) if events] == [0, 24, 48, 72]


def test_a_kill_is_a_failure_and_a_stop_is_not() -> None:
    assert event_names(outcome("sync", 0, "killed"), outcome("sync", 1, "stopped")) == [["failure"], []]
    assert event_names(outcome("sync", 0, "stopped"), outcome("sync", 1)) == [[], ["recovery"]]


def test_a_recovery_is_that_of_the_commands_a_success_covers() -> None:
    assert event_names(outcome("load", 0, "failed"), outcome("build", 1), outcome("sync", 2)) == [
        ["failure"],
        [],
        ["recovery"],
    ]


def test_checks_strikes_and_new_warnings_are_sent() -> None:
    checks = [["fail_a"], ["fail_a"], ["fail_a", "fail_b"]]
    refused = [failed(number, "ChecksFailed", 5, failed_checks=names) for number, names in enumerate(checks)]
    assert event_names(*refused) == [["failure", "checks"], [], ["checks"]]
    assert event_names(outcome("sync", 0, strikes=2)) == [["strikes"]]
    warned = [{"warn_a": 1}, {"warn_a": 9}, {"warn_a": 1, "warn_b": 2}, None, {"warn_b": 2}, {"warn_a": 1}]
    found = event_names(*(outcome("sync", number, warnings=one) for number, one in enumerate(warned)))
    assert found == [["warnings"], [], ["warnings"], [], [], ["warnings"]]


def test_the_object_says_everything_in_words_and_hides_every_secret() -> None:
    secret = "key-77aa0f3321"
    register_secret(secret)
    run = History().counted(replace(failed(2, failed_checks=["fail_x"]), message=f"bad {secret} here"))
    found = payload(events_of(History(), run), run, f"/srv/{secret}/data", "box", "2026-01-05T10:00:00Z")
    text = json.dumps(found)
    assert secret not in text
    assert found["events"] == ["failure", "checks"]
    assert found["text"].startswith("referral-warehouse on box: sync failed with exit code 4: bad *** here Next: wait")
    assert found["details"][1]["checks"] == ["fail_x"]
    assert (found["run"]["error"], found["run"]["failures"], found["at"]) == (
        "ApiUnavailable",
        1,
        "2026-01-05T10:00:00Z",
    )
    assert "event" not in found["run"]


@pytest.mark.parametrize("count", [1, 2])
def test_a_recovery_says_after_how_many_failures(count: int) -> None:
    history = History()
    for number in range(count):
        history.add(history.counted(failed(number)))
    [event] = events_of(history, outcome("sync", 9))
    assert event.text == f"sync succeeded again, after {'1 run' if count == 1 else '2 runs'} that did not."
