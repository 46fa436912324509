"""Common parts of the tests that run the command line as a process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

PREFIX = "SOURCES__REFERRAL_FACTORY__"
Referrals = Callable[..., subprocess.CompletedProcess[str]]
# A shell makes background processes ignore Ctrl-C, and so perhaps the tests: restore its handler here.
LISTENING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from referral_warehouse.__main__ import main
main()
"""


def error_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of standard error, without those by which a command on a slow machine shows that it still works."""
    return [line for line in done.stderr.splitlines() if " still at " not in line]
