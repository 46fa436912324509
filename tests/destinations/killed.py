"""A process that has everything imported and forks a child for each delivery, which kills itself before a statement.

Usage: python -m tests.destinations.killed; reads a JSON object a line: ``environ`` means the settings, ``at`` is the
statement (0: none). It answers with the exit code of the child, its standard error and how many statements there were.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from referral_warehouse.destinations import configuration, delivery  # noqa: F401 - first: they import dlt

# isort: split
from dlt.destinations.impl.postgres.postgres import PostgresCsvCopyJob
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

from referral_warehouse.cli.table_delivery import deliver_to
from referral_warehouse.settings import load_settings


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            said = Path(folder) / "said"
            child = os.fork()
            if child == 0:
                deliver(asked, said)
            _, status = os.waitpid(child, 0)
            text = said.read_text() if said.exists() else "0"
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status), "said": text}) + "\n")
        sys.stdout.flush()


def deliver(asked: dict[str, Any], said: Path) -> None:
    """Deliver, and end the process."""
    code, seen = 1, 0

    def ticking(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == asked["at"]:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        setattr(owner, name, counted)

    try:
        os.environ.update(asked["environ"])
        for name in ("execute_query", "commit_transaction"):
            ticking(Psycopg2SqlClient, name)
        ticking(PostgresCsvCopyJob, "run")
        settings = load_settings()
        deliver_to(settings, settings.destinations[0])
        said.write_text(str(seen))
        code = 0
    except BaseException:
        said.write_text(traceback.format_exc())
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
