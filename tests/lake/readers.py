"""A process that reads a lake all the time, as a user would; it reports what it saw when it is told to end.

Usage: python -m tests.lake.readers, with the environment that means the lake; prints ``ready`` when it has read once,
and ends with its standard input. The lake is attached as docs/lake.md says. Each look is one transaction: the number of
the snapshot, and one value of each table that the publications of the test change together. It reports its looks, the
errors, the numbers and the slowest look.
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

LOOK = """
select (select snapshot from lake.ops.published), (select max(reach) from lake.core.campaigns),
    (select max(reach) from lake.core.users), (select count(*) from lake.core.users)
"""


def main() -> None:
    ended, seen, errors, slow_s, looks = threading.Event(), set[int](), list[str](), list[float](), 0
    threading.Thread(target=wait_for_end, args=[ended], daemon=True).start()
    settings = load_settings()
    assert settings.lake_catalog is not None
    with bare_connection(settings) as lake:
        add_secrets(lake, settings)
        catalog = settings.lake_catalog
        address = f"{catalog.kind}:{catalog.path or catalog.connection_text()}"
        lake.execute(f"attach {literal(f'ducklake:{address}')} as lake (read_only)")
        while not ended.is_set() or not looks:
            began = time.monotonic()
            try:
                seen.add(look(lake))
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
                if len(errors) > 20:
                    break
            slow_s.append(time.monotonic() - began)
            looks += 1
            if looks == 1:
                sys.stdout.write("ready\n")
                sys.stdout.flush()
    slow_s.sort()
    report = {"looks": looks, "errors": errors, "seen": sorted(seen)}
    sys.stdout.write(json.dumps({**report, "median_s": slow_s[len(slow_s) // 2], "slowest_s": slow_s[-1]}) + "\n")


def wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def look(lake: Any) -> int:
    """Returns: the number that all tables agree on. Raises: AssertionError where they do not."""
    row = lake.execute(LOOK).fetchone()
    number: int = row[0]
    assert row == (number, number, number, number), f"torn: {row}"
    return number


if __name__ == "__main__":
    main()
