"""A forked child becomes ``referrals ARGUMENTS``, with streams of its own, up to the end of its process."""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from tests.lake import everywhere

TIMEOUT_S = 300


def become(streams: Sequence[int], test: str, run: Callable[[], object], timeout_s: int = TIMEOUT_S) -> NoReturn:
    """End this process with the exit code of a command.

    Args:
        streams: open files for its input, output and errors.
        test: the test that it belongs to.
        run: the command; it may end with SystemExit.
        timeout_s: seconds after which it prints where it hangs, and ends with 1.
    """
    code = 70
    everywhere.begin_command(test)
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        faulthandler.dump_traceback_later(timeout_s, exit=True)
        try:
            run()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
    except BaseException as error:
        traceback.print_exception(error)
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads as the end of an interpreter does
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run_program(arguments: Sequence[str], environ: Mapping[str, str], folder: str) -> None:
    """The program from its first line, with exactly this environment, in a working directory."""
    from referral_warehouse.__main__ import main

    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv = ["referrals", *arguments]
    main()


def refuse_what_is_read_by_imports(environ: Mapping[str, str]) -> None:
    """Raises: ValueError for variables that dlt reads while it is imported, because it is imported already."""
    if found := [name for name in environ if name.upper().startswith("DLT_")]:
        raise ValueError(f"{found} would have no effect: dlt is imported already. Start an interpreter instead.")
