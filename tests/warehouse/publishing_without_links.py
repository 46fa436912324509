"""A child process for the tests: publishes where the system makes no links, once cut off before the manifest.

Usage: python publishing_without_links.py WAREHOUSE_DIR FOLDER_OF_MODELS. Prints the current snapshot after each step
as a JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse import manifest, models
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from referral_warehouse.warehouse.published import open_published
from referral_warehouse.workspace.current_snapshot import current_number
from tests.damage.without_features import no_links


def main() -> None:
    settings = Settings(warehouse_dir=Path(sys.argv[1]))
    models.sql_dir = lambda: Path(sys.argv[2])
    no_links()
    publish(settings, build(settings))
    found = {"first": current_number(settings.published_dir)}
    if (child := os.fork()) == 0:
        _killed_before_the_manifest(settings)
    _, status = os.waitpid(child, 0)
    if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
        raise SystemExit(f"The child was not killed: {status}.")
    found["killed"] = current_number(settings.published_dir)
    report = build(settings)
    publish(settings, report)
    found["second"] = current_number(settings.published_dir)
    with open_published(settings) as (connection, _):
        [(found["users"],)] = connection.execute("select count(*) from core.users").fetchall()
    print(json.dumps(found))  # noqa: T201


def _killed_before_the_manifest(settings: Settings) -> None:
    original = manifest.write_manifest

    def deadly(path: Path, *args: Any, **kwargs: Any) -> None:
        if path == settings.manifest_path:
            os.kill(os.getpid(), signal.SIGKILL)
        original(path, *args, **kwargs)

    manifest.write_manifest = deadly
    publish(settings, build(settings))


if __name__ == "__main__":
    main()
