"""The program's own small prompt for queries on a snapshot."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from referral_warehouse.cli.console import say
from referral_warehouse.cli.output import write_event
from referral_warehouse.cli.signals import Terminated
from referral_warehouse.errors import ConfigurationError

HELP = "Write a query and end it with a semicolon, as in: select * from marts.referral_funnel limit 5;"
COMMANDS = "tables: lists the tables; Ctrl-C: stops a query, or drops what was typed; quit or Ctrl-D: ends."
TABLES = "select schema_name || '.' || table_name as \"table\", estimated_size as rows from duckdb_tables() order by 1;"
LEAVE = frozenset({"quit", "exit", ".quit", ".exit", "\\q"})


def prompt(run: Callable[[str], None]) -> None:
    """Read queries from the terminal and run each, until the end. Errors are shown.

    Ctrl-C ends only a query, or drops what was typed.
    """
    if sys.stdin.isatty():
        import readline  # noqa: F401 - lines can be edited

        say(HELP)
        say(COMMANDS)
    text = ""
    while True:
        try:
            line = input("sql> " if not text else "  -> ")
        except EOFError:
            break
        except Terminated as error:
            if not _is_interrupt(error):
                raise
            say()
            text = ""
            continue
        word = line.strip().lower().rstrip(";")
        if not text and word in LEAVE:
            break
        if not text and word in ("", "help", "tables"):
            if word == "help":
                say(HELP)
                say(COMMANDS)
            if word == "tables":
                _run(run, TABLES)
            continue
        text += line + "\n"
        if line.rstrip().endswith(";"):
            _run(run, text)
            text = ""
    if text.strip():
        _run(run, text)


def _run(run: Callable[[str], None], text: str) -> None:
    try:
        run(text)
    except ConfigurationError as error:
        write_event("error", "failed", str(error), as_json=False)
    except BaseException as error:
        if not _is_interrupt(error):
            raise
        say("Stopped.")
    sys.stdout.flush()


def _is_interrupt(error: BaseException | None) -> bool:
    from referral_warehouse.errors import causes

    return any(isinstance(found, Terminated) and found.signal_code == signal.SIGINT for found in causes(error))
