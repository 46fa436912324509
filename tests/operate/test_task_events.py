"""Deliveries and erasures that fail without failing their run are reported and counted, as is the recovery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from referral_warehouse.operate.history import History, history_of
from referral_warehouse.operate.notifications import events_of
from referral_warehouse.operate.outcome_log import OutcomeLog
from referral_warehouse.operate.outcomes import Outcome
from tests.operate.runs import event_names, outcome

FAILED = {"problem": "no room", "error": "OSError"}


def sync(number: int, **tasks: dict[str, Any]) -> Outcome:
    return outcome("sync", number, tasks={name.replace("_", " "): found for name, found in tasks.items()} or None)


def test_the_first_failure_another_error_each_day_and_the_recovery_are_sent() -> None:
    other = FAILED | {"error": "DestinationUnavailable"}
    runs = [sync(0, feeds=FAILED), sync(1, feeds=FAILED), sync(2, feeds=other), sync(3, feeds={}), sync(4, feeds={})]
    assert event_names(*runs) == [["delivery"], [], ["delivery"], ["recovery"], []]
    lasting = event_names(*(sync(hour, erasure=FAILED) for hour in range(75)))
    assert [hour for hour, events in enumerate(lasting) if events] == [0, 24, 48, 72]
    assert lasting[0] == ["erasure"]


def test_each_task_is_sent_and_counted_separately() -> None:
    history = History()
    for run in (sync(0, feeds=FAILED, lake={}), sync(1, feeds=FAILED, tables_to_x=FAILED), sync(2, erasure={})):
        history.add(history.counted(run))
    assert history.failing_tasks == {}, "a sync attempts every delivery that is set: these are not set any more"
    history.add(history.counted(sync(3, feeds=FAILED, tables_to_x=FAILED)))
    history.add(history.counted(outcome("load", 4, tasks={"erasure": FAILED})))
    counted = history.counted(sync(5, feeds=FAILED, tables_to_x={}))
    assert counted.tasks is not None
    assert (counted.tasks["feeds"]["failures"], counted.tasks["tables to x"]) == (2, {})
    [recovery] = events_of(history, counted)
    assert recovery.text == "The delivery (tables to x) succeeded again, after 1 run in which it did not."
    history.add(counted)
    assert set(history.failing_tasks) == {"feeds", "erasure"}


def test_a_failure_is_known_after_the_file_of_outcomes_began_anew(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path, max_bytes=1)
    for number in range(6):
        history = history_of(log.read())
        log.begin_new_file(history.needed)
        log.append(history.counted(outcome("load", number, tasks={"erasure": FAILED} if number == 0 else None)))
    assert history_of(log.read()).task_failure("erasure")["failures"] == 1


def test_damaged_tasks_of_a_record_are_read_leniently() -> None:
    history = History()
    for tasks in ({"feeds": {"failures": "x", "failing_since": 7}}, {"feeds": {"a": None}}):
        history.add(outcome("sync", 1, tasks=tasks))
        counted = history.counted(sync(2, feeds=FAILED))
        assert counted.failed_tasks["feeds"]["failures"] == 1
        assert [event.name for event in events_of(history, counted)] == ["delivery"]


def test_a_failed_delivery_command_is_sent_once_and_status_does_not_fail() -> None:
    failed = outcome("deliver", 1, "failed", error="ConfigurationError", message="no", tasks={"tables to x": FAILED})
    again = outcome("deliver", 2, tasks={"tables to x": {}})
    assert event_names(failed, again) == [["delivery"], ["recovery"]]
    history = History()
    history.add(history.counted(failed))
    assert history.failing == {}
    unable = outcome("deliver", 1, "failed", error="ConfigurationError", message="no")
    assert event_names(unable, outcome("sync", 2)) == [["failure"], ["recovery"]]


def test_a_forget_that_another_command_completes_is_not_a_failure_any_more() -> None:
    """The erasure of a retention period says nothing of a ``forget``; a sync that fails later has completed it too."""
    killed = outcome("forget", 1, "killed", error="Killed", message="killed")
    completes: dict[str, Any] = {"erasure": {}, "forget": {}}
    assert event_names(killed, sync(2, erasure={}), sync(3, **completes), sync(4, **completes)) == [
        ["failure"], [], ["recovery"], []
    ]  # fmt: skip
    later = outcome("sync", 3, "failed", error="ApiUnavailable", message="no answer", tasks=completes)
    assert event_names(killed, later) == [["failure"], ["failure", "recovery"]]
    for last, failing in ((sync(2, erasure={}), {"forget"}), (sync(2, **completes), set()), (later, {"sync"})):
        history = History()
        for run in (killed, last):
            history.add(history.counted(run))
        assert set(history.failing) == failing
    [recovery] = events_of(history_of([killed]), sync(2, **completes))
    assert recovery.text == "sync completed the `referrals forget` that was interrupted."
