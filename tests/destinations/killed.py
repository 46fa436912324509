"""A process that has everything imported and forks a child for each delivery, which kills itself before a statement.

Usage: python -m tests.destinations.killed; reads a JSON object a line: ``environ`` means the settings, ``at`` is the
statement (0: none), or ``before`` is a part of its text (empty: none). Small tables are sent in part, too. It answers
with the exit code of the child, its standard error and how many statements there were.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from referral_warehouse.destinations import configuration, delivery, steps  # noqa: F401 - first: they import dlt

# isort: split
from dlt.destinations.impl.postgres.postgres import PostgresCsvCopyJob
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

from referral_warehouse.cli.table_delivery import deliver_to
from referral_warehouse.settings import load_settings
from tests.kills.forked_answers import answer_each_line


def deliver(asked: dict[str, Any]) -> int:
    """Returns: how many statements there were."""
    seen = 0

    def ticking(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == asked["at"] or (asked["before"] and asked["before"] in str(arguments[1:])):
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        setattr(owner, name, counted)

    for name in ("execute_query", "commit_transaction"):
        ticking(Psycopg2SqlClient, name)
    ticking(PostgresCsvCopyJob, "run")
    setattr(steps, "LEAST_ROWS", 0)  # noqa: B010 - mypy refuses the assignment of an imported name
    settings = load_settings()
    deliver_to(settings, settings.destinations[0])
    return seen


if __name__ == "__main__":
    answer_each_line(deliver)
