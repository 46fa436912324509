"""A child process for the tests: opens the warehouse repeatedly until it is stopped, and reports what it read.

Usage: python reading.py LINK STOP_FILE. Prints one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb


def main() -> None:
    link, stop = Path(sys.argv[1]), Path(sys.argv[2])
    reads, errors, torn, seen = 0, [], 0, set()
    while True:
        is_last = stop.exists()
        try:
            with duckdb.connect(str(link), read_only=True) as connection:
                funnel = connection.execute(
                    "select sum(stage_count) from marts.referral_funnel where stage = 'users'"
                ).fetchone()
                users = connection.execute("select count(*) from core.users").fetchone()
            reads += 1
            torn += funnel != users
            seen.add(users[0] if users else None)
        except duckdb.Error as error:
            errors.append(str(error))
        if reads == 1:
            print("reading", flush=True)  # noqa: T201
        if is_last:
            break
    print(json.dumps({"reads": reads, "errors": errors[:3], "torn": torn, "seen": len(seen)}))  # noqa: T201


if __name__ == "__main__":
    main()
