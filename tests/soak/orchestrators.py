"""Runs inside the environment of an orchestrator: loads the file for it, and runs its job with a made-up program.

Usage: python orchestrators.py KIND FOLDER. FOLDER holds ``referrals_sync.py``; its program ends with the code in
``code`` and appends a line to ``ran``. Prints a JSON object: code → whether the job succeeded, and runs of the program.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CODES = (0, 75, 4, 5)


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    sys.path.insert(0, str(folder))
    import referrals_sync

    referrals_sync.JITTER_S = 0
    run = {"dagster": _dagster, "prefect": _prefect, "airflow": _airflow}[kind](referrals_sync)
    found = {}
    for code in CODES:
        (folder / "code").write_text(str(code))
        (folder / "ran").write_text("")
        found[code] = (run(), len((folder / "ran").read_text().splitlines()))
    sys.stdout.write(json.dumps(found) + "\n")


def _dagster(module: Any) -> Callable[[], bool]:
    schedule = module.defs.resolve_schedule_def("referrals_sync_schedule")
    assert schedule.cron_schedule == module.defs.schedules[0].cron_schedule
    job = module.defs.resolve_job_def("referrals_sync_job")

    def run() -> bool:
        return bool(job.execute_in_process(raise_on_error=False).success)

    return run


def _prefect(module: Any) -> Callable[[], bool]:
    import inspect

    from prefect.testing.utilities import prefect_test_harness

    inspect.signature(module.referrals_sync.serve).bind(name="x", cron="1 * * * *", limit=1)
    module.sync = module.sync.with_options(retry_delay_seconds=0)

    def run() -> bool:
        with prefect_test_harness():
            return bool(module.referrals_sync(return_state=True).is_completed())

    return run


def _airflow(module: Any) -> Callable[[], bool]:
    """The task's own function: the scheduler repeats it unless it says that it failed for good."""
    dag = module.referrals_sync()
    [task] = dag.tasks
    assert (dag.max_active_runs, dag.catchup, task.retries) == (1, False, 3)

    def run() -> bool:
        for _ in range(1 + task.retries):
            try:
                task.python_callable()
            except module.AirflowSkipException:
                return True
            except module.AirflowFailException:
                return False
            except RuntimeError:
                continue
            else:
                return True
        return False

    return run


main()
