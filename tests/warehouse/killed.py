"""A child process for the tests: publishes, and kills itself with SIGKILL before or after a named step.

Usage: python killed.py WAREHOUSE_DIR before|after MODULE.FUNCTION FOLDER_OF_MODELS
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse import models
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish


def main() -> None:
    folder, moment, step, sql = sys.argv[1:]
    models.sql_dir = lambda: Path(sql)
    module_name, _, function_name = step.rpartition(".")
    importlib.import_module(f"referral_warehouse.warehouse.{module_name}")
    # The name of the module `publish` is also a function of the package; sys.modules knows them apart.
    module = sys.modules[f"referral_warehouse.warehouse.{module_name}"]
    original = getattr(module, function_name)

    def deadly(*args: Any, **kwargs: Any) -> Any:
        if moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, function_name, deadly)
    settings = Settings(warehouse_dir=Path(folder), keep_snapshots=2, snapshot_grace_minutes=0)
    publish(settings, build(settings))


if __name__ == "__main__":
    main()
