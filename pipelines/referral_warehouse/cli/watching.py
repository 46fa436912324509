"""Repeats an output at an interval until the user ends it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable

import click

from referral_warehouse.cli.output import is_output_lost, write_line
from referral_warehouse.cli.signals import Terminated


def watch(show: Callable[[], int], every_s: float, sleep: Callable[[float], object] = time.sleep) -> int:
    """Call ``show`` every ``every_s`` seconds until Ctrl-C, or until the output cannot be written any more.

    A terminal is cleared before each call; elsewhere an empty line separates two outputs.

    Returns: the exit code that ``show`` returned last.
    """
    is_terminal = sys.stdout.isatty()
    code, is_first = 0, True
    try:
        while not is_output_lost():
            if is_terminal:
                click.clear()
            elif not is_first:
                write_line()
            code, is_first = show(), False
            sys.stdout.flush()
            sleep(every_s)
    except Terminated as ended:
        if ended.signal_code != signal.SIGINT:
            raise
    return code
