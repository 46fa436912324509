"""A process that reads a database all the time, as a report would; it says what it saw when it is told to end.

Usage: python -m tests.destinations.readers ADDRESS; prints ``ready`` when it has read once, and ends with its standard
input. A look is one statement over four tables that each snapshot of the test changes together; every second look is
two statements in one transaction.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import psycopg2

LOOK = """
select (select snapshot from referrals.ops_published), (select max(reach) from referrals.core_campaigns),
    (select max(reach) from referrals.core_users), (select count(*) from referrals.core_users)
"""
FIRST, SECOND = "select snapshot from referrals.ops_published", "select count(*) from referrals.core_users"


def main() -> None:
    ended, seen, errors, looks = threading.Event(), set[int](), list[str](), 0
    threading.Thread(target=wait_for_end, args=[ended], daemon=True).start()
    connection = psycopg2.connect(sys.argv[1])
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    while not ended.is_set() or looks < 2:
        try:
            seen.add(look(connection, is_whole=looks % 2 == 0))
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
            if len(errors) > 20:
                break
        finally:
            connection.rollback()
        looks += 1
        ended.wait(0.002)  # so that a test does not cost two processors all the time
        if looks == 2:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
    sys.stdout.write(json.dumps({"looks": looks, "errors": errors, "seen": sorted(seen)}) + "\n")


def wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def look(connection: Any, *, is_whole: bool) -> int:
    """Returns: the number that all tables agree on. Raises: AssertionError where they do not."""
    cursor = connection.cursor()
    if is_whole:
        cursor.execute(LOOK)
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
