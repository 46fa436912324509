"""A process that forks publishers: each publishes to a lake, maintains it, and kills itself before a statement.

Usage: python -m tests.lake.killed; reads a JSON object a line: ``environ`` means the settings, ``at`` is the statement
(0: none), and with ``after_us`` it dies so many microseconds later, whatever runs then. It answers with the exit code
of the child, and with how many statements there were when it lives, or why it failed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from referral_warehouse.cli.lake import locked_lake, publish_lake
from referral_warehouse.settings import load_settings
from referral_warehouse.warehouse.lake import connection as lake_connection


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            said = Path(folder) / "said"
            child = os.fork()
            if child == 0:
                become(asked, said)
            _, status = os.waitpid(child, 0)
            text = said.read_text() if said.exists() else "0"
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status), "said": text}) + "\n")
        sys.stdout.flush()


def become(asked: dict[str, Any], said: Path) -> None:
    """Publish, and end the process."""
    code = 1
    try:
        os.environ.update(asked["environ"])
        said.write_text(str(publish(asked["at"], asked["after_us"])))
        code = 0
    except BaseException:
        said.write_text(traceback.format_exc())
    finally:
        os._exit(code)


def publish(at: int, after_us: int) -> int:
    """Returns: how many statements there were after the lock was taken."""
    settings, original = load_settings(), lake_connection.bare_connection
    seen = 0

    def tick() -> None:
        nonlocal seen
        seen += 1
        if seen != at:
            return
        if not after_us:
            die()
        threading.Thread(target=die, args=[after_us / 1e6], daemon=True).start()

    class Counted:
        """A connection whose statements are counted."""

        def __init__(self, connection: Any) -> None:
            self._connection = connection

        def execute(self, *arguments: Any) -> Any:
            tick()
            return self._connection.execute(*arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

    lake_connection.bare_connection = lambda settings: Counted(original(settings))  # type: ignore[assignment, return-value]
    with locked_lake(settings) as refuse_lost_lock:
        seen = 0
        publish_lake(settings, refuse_lost_lock)
    return seen


def die(after_s: float = 0) -> None:
    time.sleep(after_s)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
