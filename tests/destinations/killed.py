"""A process that delivers, and kills itself before one of the statements that it sends, or in the middle of a load.

Usage: python -m tests.destinations.killed JSON, with the environment that means its settings. ``at``: before which
statement; it prints how many statements there were when it lives.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from referral_warehouse.destinations import configuration  # noqa: F401 - first: it imports dlt

# isort: split
from dlt.destinations.impl.postgres.postgres import PostgresCsvCopyJob
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

from referral_warehouse.cli.table_delivery import deliver_to
from referral_warehouse.settings import load_settings


def main() -> None:
    at, seen = json.loads(sys.argv[1])["at"], 0

    def ticking(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        setattr(owner, name, counted)

    for name in ("execute_query", "commit_transaction"):
        ticking(Psycopg2SqlClient, name)
    ticking(PostgresCsvCopyJob, "run")
    settings = load_settings()
    deliver_to(settings, settings.destinations[0])
    sys.stdout.write(f"{seen}\n")


if __name__ == "__main__":
    main()
