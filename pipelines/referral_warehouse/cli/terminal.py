"""Limits what environment variables can claim about the terminal.

Without a terminal there are no escape codes, whatever a CI system sets, and widths are plausible. NO_COLOR and TERM are
kept.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping

FORCING = ("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
SIZES = ("COLUMNS", "LINES")
SENSIBLE_SIZE = re.compile(r"[1-9][0-9]{1,2}")


def restrict_terminal_variables(environ: MutableMapping[str, str]) -> None:
    """Remove variables that claim a terminal, and sizes that are not numbers between 10 and 999."""
    for name in [name for name in environ if name in FORCING or name.startswith("JUPYTER_")]:
        del environ[name]
    for name in SIZES:
        if not SENSIBLE_SIZE.fullmatch(environ.get(name, "")):
            environ.pop(name, None)
