"""A process that forks publishers: each publishes to a lake, maintains it, and kills itself before a statement.

Usage: python -m tests.lake.killed; reads a JSON object a line: ``environ`` means the settings, ``at`` is the statement
(0: none), and with ``after_us`` it is killed so many microseconds later, whatever runs then. It answers with the exit
code of the child, and with the number of statements if it was not killed, or why it failed.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from referral_warehouse.cli.lake import locked_lake, publish_lake
from referral_warehouse.settings import load_settings
from referral_warehouse.warehouse.lake import connection as lake_connection
from tests.kills.forked_answers import answer_each_line


def publish(request: dict[str, Any]) -> int:
    """Returns: how many statements there were after the lock was taken."""
    settings, original = load_settings(), lake_connection.bare_connection
    seen = 0

    def tick() -> None:
        nonlocal seen
        seen += 1
        if seen != request["at"]:
            return
        if not request["after_us"]:
            kill_this_process()
        threading.Thread(target=kill_this_process, args=[request["after_us"] / 1e6], daemon=True).start()

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


def kill_this_process(after_s: float = 0) -> None:
    time.sleep(after_s)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    answer_each_line(publish)
