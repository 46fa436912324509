"""A process that reads a lake continuously, as a user would, and reports at the end what it has read.

Usage: python -m tests.lake.readers PAUSE, with the environment that means the lake; prints ``ready`` when it has read
once, and ends with its standard input. PAUSE are the seconds between two rounds. The lake is attached as docs/lake.md
says. Each round asks all ``QUERIES``, each in a transaction of its own. The first returns the number of the snapshot,
and one value of each table that the publications of the test change together. It reports the rounds, the errors, the
numbers, and the seconds of each query.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from referral_warehouse.settings import load_settings
from referral_warehouse.sql_quoting import literal
from referral_warehouse.warehouse.lake.connection import add_secrets, bare_connection

FURTHER_USERS = 10_000
"""Publications have a multiple of so many users, and as many more as their number."""
THREE_TABLES = "three tables and the control table"
QUERIES = {
    THREE_TABLES: f"""
select (select snapshot from lake.ops.published), (select max(reach) from lake.core.campaigns),
    (select max(reach) from lake.core.users), (select count(*) % {FURTHER_USERS} from lake.core.users)
""",
    "the control table": "select snapshot, snapshot, snapshot, snapshot from lake.ops.published",
    "all users, grouped": """
select max(reach), max(reach), max(reach), max(reach) from (
    select campaign_id, is_qualified, count(*) as users_count, max(reach) as reach from lake.core.users group by all
)
""",
}


def main() -> None:
    ended, seen, errors, rounds = threading.Event(), set[int](), list[str](), 0
    seconds: dict[str, list[float]] = {name: [] for name in QUERIES}
    threading.Thread(target=wait_for_end, args=[ended], daemon=True).start()
    settings = load_settings()
    assert settings.lake_catalog is not None
    with bare_connection(settings) as lake:
        add_secrets(lake, settings)
        catalog = settings.lake_catalog
        address = f"{catalog.kind}:{catalog.path or catalog.connection_text()}"
        lake.execute(f"attach {literal(f'ducklake:{address}')} as lake (read_only)")
        while len(errors) <= 20 and (not ended.is_set() or not rounds):
            for name, query in QUERIES.items():
                began = time.monotonic()
                try:
                    seen.add(common_number(lake, query))
                except Exception as error:
                    errors.append(f"{name}: {type(error).__name__}: {error}")
                seconds[name].append(time.monotonic() - began)
            rounds += 1
            if rounds == 1:
                sys.stdout.write("ready\n")
                sys.stdout.flush()
            ended.wait(float(sys.argv[1]))
    sys.stdout.write(json.dumps({"rounds": rounds, "errors": errors, "seen": sorted(seen), "seconds": seconds}) + "\n")


def wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def common_number(lake: Any, query: str) -> int:
    """Returns: the number that all values agree on. Raises: AssertionError where they do not."""
    row = lake.execute(query).fetchone()
    number: int = row[0]
    assert row == (number, number, number, number), f"torn: {row}"
    return number


if __name__ == "__main__":
    main()
