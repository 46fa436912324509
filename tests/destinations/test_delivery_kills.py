"""A delivery that is killed anywhere leaves the rows of one snapshot, and the next one completes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from referral_warehouse.destinations.delivery import TableDelivery
from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from tests.destinations.databases import NAME, PROJECT, datasets, deliver, differences, query
from tests.destinations.versions import write_two
from tests.operate.deliveries import switch_to


@pytest.fixture(scope="module", autouse=True)
def forks() -> Iterator[subprocess.Popen[str]]:
    """The process that forks deliveries."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.destinations.killed"], cwd=PROJECT, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": f"{PROJECT / 'pipelines'}{os.pathsep}{PROJECT}"},
    )  # fmt: skip
    FORKS.append(process)
    yield process
    FORKS.clear()
    process.communicate()


FORKS: list[subprocess.Popen[str]] = []


def run_killed(settings: Settings, address: str, at: int = 0, before: str = "") -> int:
    """Deliver in a process that is killed before a statement. Returns: the number of statements if it was not killed.

    Args: ``at`` is the number of the statement, or ``before`` a part of its text.
    """
    environ = {
        "WAREHOUSE__DIR": str(settings.warehouse_dir), "WAREHOUSE__DESTINATIONS": NAME.lower(),
        f"DESTINATION__{NAME}__CREDENTIALS": address, f"DESTINATION__{NAME}__DESTINATION_TYPE": "postgres",
    }  # fmt: skip
    [process] = FORKS
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"environ": environ, "at": at, "before": before}) + "\n")
    process.stdin.flush()
    done = json.loads(process.stdout.readline())
    assert done["code"] == (-signal.SIGKILL if at or before else 0), done["said"]
    return int(done["said"])


def kill_and_complete(
    settings: Settings, values: DestinationValues, address: str, at: int, number: int, other: int, before: str = ""
) -> TableDelivery:
    """Kill a delivery of a snapshot while readers have another one, and complete it; check what readers have each time.

    Returns: the delivery that completed it.
    """
    run_killed(switch_to(settings, number), address, at, before)
    [[there]] = query(address, "select snapshot from referrals.ops_published")
    assert there in (other, number)
    assert differences(address, settings, there) == []
    completed: TableDelivery = deliver(settings, values)
    assert differences(address, settings, number) == []
    assert "referrals_staging" not in datasets(address)
    assert list((settings.state_dir / "destinations").iterdir()) == []
    return completed


def count_statements(
    settings: Settings, values: DestinationValues, address: str, first: int = 1, second: int = 2
) -> int:
    """Of a delivery of the second snapshot after the first; readers have the second one afterwards."""
    deliver(settings, values, first)
    statements = run_killed(switch_to(settings, second), address)
    assert statements > 20
    return statements


def test_a_killed_delivery_leaves_a_whole_snapshot(settings: Settings, values: DestinationValues, address: str) -> None:
    """Killed: while it loads, and in the transaction."""
    statements = count_statements(settings, values, address)
    for number, at in ((1, statements // 2), (2, statements - 4)):
        kill_and_complete(settings, values, address, at, number, 3 - number)


@pytest.mark.full
def test_a_first_delivery_that_is_killed_anywhere_is_completed(
    settings: Settings, values: DestinationValues, address: str, postgres: object
) -> None:
    """Before its end readers have nothing at all."""
    for at in range(1, 40, 3):
        run_killed(settings, address, at)
        assert query(address, "select count(*) from information_schema.tables where table_schema = 'referrals'") == [
            (0,)
        ]
    deliver(settings, values)
    assert differences(address, settings, 1) == []


@pytest.mark.full
def test_a_delivery_that_is_killed_before_every_statement_leaves_a_whole_snapshot(
    settings: Settings, values: DestinationValues, address: str
) -> None:
    statements = count_statements(settings, values, address)
    for at in range(1, statements + 1):
        kill_and_complete(settings, values, address, at, 1 + at % 2, 2 - at % 2)


def test_a_killed_delivery_of_changed_rows_leaves_a_whole_snapshot(
    settings: Settings, values: DestinationValues, address: str, small_tables_too: None
) -> None:
    """Killed: while it loads, between the statements that delete and insert rows, and before it counts them."""
    write_two(settings, 4, 5)
    statements = count_statements(settings, values, address, 4, 5)
    count = 'select count(*) from "referrals"."marts_versions"'
    removed = '"referrals_staging"."marts_versions_removed") as sent_rows'
    for number, other, at, before in (
        (4, 5, statements // 2, ""), (5, 4, 0, removed), (4, 5, 0, 'insert into "referrals"."marts_versions"'),
        (5, 4, 0, count),
    ):  # fmt: skip
        completed = kill_and_complete(settings, values, address, at, number, other, before)
        assert (completed.sent, completed.in_part) == (1, 1)


@pytest.mark.full
def test_a_delivery_of_changed_rows_that_is_killed_before_every_statement_leaves_a_whole_snapshot(
    settings: Settings, values: DestinationValues, address: str, small_tables_too: None
) -> None:
    write_two(settings, 4, 5)
    statements = count_statements(settings, values, address, 4, 5)
    for at in range(1, statements + 1):
        kill_and_complete(settings, values, address, at, 4 + at % 2, 5 - at % 2)
