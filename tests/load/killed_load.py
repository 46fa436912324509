"""A child process for the tests: loads, and kills itself with SIGKILL before or after the n-th step of a kind.

Usage: python -m tests.load.killed_load WAREHOUSE_DIR BASE_URL TOKEN before|after STEP N
STEP is a key of STEPS; ``staging:TABLE`` counts the staging of that table alone.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlt.common.storages import PackageStorage
from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob
from dlt.destinations.job_client_impl import SqlLoadJob

from pipelines.load.runner import load
from pipelines.settings import Settings, Token

STEPS: dict[str, tuple[type, str]] = {
    "staging": (DuckDbCopyJob, "run"),
    "merge": (SqlLoadJob, "run"),
    "delete": (PackageStorage, "delete_package"),
}


def deadly(original: Callable[..., Any], moment: str, number: int, table: str) -> Callable[..., Any]:
    """The step itself, but its n-th call is the last thing that this process does."""
    seen = 0

    def step(*args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        if table and args[0].load_table_name != table:
            return original(*args, **kwargs)
        seen += 1
        if seen == number and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return step


def main() -> None:
    folder, base_url, token, moment, kind, number = sys.argv[1:]
    step, _, table = kind.partition(":")
    owner, name = STEPS[step]
    setattr(owner, name, deadly(getattr(owner, name), moment, int(number), table))
    load(Settings(api_token=Token(token), base_url=base_url, calls_per_minute=0, warehouse_dir=Path(folder)))


if __name__ == "__main__":
    main()
