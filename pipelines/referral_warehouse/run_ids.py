"""Names of runs: of the loader in ``ops.runs``, and of commands in the record of the directory."""

from __future__ import annotations

import secrets
from datetime import datetime


def new_run_id(now: datetime) -> str:
    """A unique name, such as ``20260105T080000.125-3f9a01bc``; names of later runs sort after it.

    Milliseconds, because a run of a small account takes less than a second. Names that earlier versions wrote have no
    milliseconds, and sort before those of the same second.
    """
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}-{secrets.token_hex(4)}"
