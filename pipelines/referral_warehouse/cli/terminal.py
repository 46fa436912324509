"""Removes environment variables that would make libraries treat other output as a terminal.

Without a terminal there are then no escape codes, whatever a CI system sets, and sizes are plausible. NO_COLOR and TERM
are kept.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping

FORCING = ("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
SIZES = ("COLUMNS", "LINES")
PLAUSIBLE_SIZE = re.compile(r"[1-9][0-9]{1,2}")


def restrict_terminal_variables(environ: MutableMapping[str, str]) -> None:
    """Remove variables that force terminal output, and sizes that are not numbers between 10 and 999."""
    for name in [name for name in environ if name in FORCING or name.startswith("JUPYTER_")]:
        del environ[name]
    for name in SIZES:
        if not PLAUSIBLE_SIZE.fullmatch(environ.get(name, "")):
            environ.pop(name, None)
