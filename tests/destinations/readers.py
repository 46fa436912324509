"""A process that reads a database repeatedly, as a report would, and prints what it read when it is told to end.

Usage: python -m tests.destinations.readers ADDRESS; prints ``ready`` when it has read once, and ends with its standard
input. A read is one statement over four tables that each snapshot of the test changes together; every second read is
two statements in one transaction.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import psycopg2

STATEMENT = """
select (select snapshot from referrals.ops_published), (select max(reach) from referrals.core_campaigns),
    (select max(reach) from referrals.core_users), (select count(*) from referrals.core_users)
"""
FIRST, SECOND = "select snapshot from referrals.ops_published", "select count(*) from referrals.core_users"


def main() -> None:
    ended, seen, errors, reads = threading.Event(), set[int](), list[str](), 0
    threading.Thread(target=wait_for_end, args=[ended], daemon=True).start()
    connection = psycopg2.connect(sys.argv[1])
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    while not ended.is_set() or reads < 2:
        try:
            seen.add(read_numbers(connection, is_whole=reads % 2 == 0))
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
            if len(errors) > 20:
                break
        finally:
            connection.rollback()
        reads += 1
        ended.wait(0.002)  # so that a test does not cost two processors all the time
        if reads == 2:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
    sys.stdout.write(json.dumps({"reads": reads, "errors": errors, "seen": sorted(seen)}) + "\n")


def wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def read_numbers(connection: Any, *, is_whole: bool) -> int:
    """Returns: the number that all tables agree on. Raises: AssertionError where they do not."""
    cursor = connection.cursor()
    if is_whole:
        cursor.execute(STATEMENT)
        row = cursor.fetchone()
    else:
        cursor.execute(FIRST)
        first = cursor.fetchone()
        cursor.execute(SECOND)
        row = (*first, *cursor.fetchone())
    number: int = row[0]
    assert set(row) == {number}, f"a mixture: {row}"
    return number


if __name__ == "__main__":
    main()
