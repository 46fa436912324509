"""A delivery that is killed anywhere leaves the rows of one snapshot, and the next one completes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.settings.destinations import DestinationValues
from tests.destinations.databases import NAME, PROJECT, datasets, deliver, differences, query
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


def run_killed(settings: Settings, address: str, at: int = 0) -> int:
    """Deliver in a process that is killed before a statement. Returns: the number of statements where it lives."""
    environ = {
        "WAREHOUSE__DIR": str(settings.warehouse_dir), "WAREHOUSE__DESTINATIONS": NAME.lower(),
        f"DESTINATION__{NAME}__CREDENTIALS": address, f"DESTINATION__{NAME}__DESTINATION_TYPE": "postgres",
    }  # fmt: skip
    [process] = FORKS
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"environ": environ, "at": at}) + "\n")
    process.stdin.flush()
    done = json.loads(process.stdout.readline())
    assert done["code"] == (-signal.SIGKILL if at else 0), done["said"]
    return int(done["said"])


def kill_and_complete(settings: Settings, values: DestinationValues, address: str, at: int, number: int) -> None:
    """Kill a delivery of a snapshot while readers have another one, look, complete it, and look again."""
    run_killed(switch_to(settings, number), address, at)
    [[there]] = query(address, "select snapshot from referrals.ops_published")
    assert there in (3 - number, number)
    assert differences(address, settings, there) == []
    deliver(settings, values)
    assert differences(address, settings, number) == []
    assert "referrals_staging" not in datasets(address)
    assert list((settings.state_dir / "destinations").iterdir()) == []


def count_statements(settings: Settings, values: DestinationValues, address: str) -> int:
    """Of a delivery of the second snapshot after the first; readers have the second one afterwards."""
    deliver(settings, values, 1)
    statements = run_killed(switch_to(settings, 2), address)
    assert statements > 20
    return statements


def test_a_killed_delivery_leaves_a_whole_snapshot(settings: Settings, values: DestinationValues, address: str) -> None:
    """Killed: while it loads, and in the transaction."""
    statements = count_statements(settings, values, address)
    for number, at in ((1, statements // 2), (2, statements - 4)):
        kill_and_complete(settings, values, address, at, number)


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
        kill_and_complete(settings, values, address, at, 1 + at % 2)
