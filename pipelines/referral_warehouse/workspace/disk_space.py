"""Recognises errors that are due to a full disk.

Databases and libraries wrap the error of the operating system, some of them as text alone, so the whole chain of causes
is searched.
"""

from __future__ import annotations

import errno
import os

from referral_warehouse.display_text import display_text
from referral_warehouse.errors import DiskFull, causes

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
WORDS = (*(os.strerror(number) for number in sorted(FULL)), "database or disk is full", "disk is full")


def disk_full_error(error: BaseException, what: str) -> DiskFull | None:
    """The error for a full disk; None for another cause. ``what`` is the sentence about the failed step."""
    texts = [str(cause) for cause in causes(error) if _is_full(cause)]
    if not texts:
        return None
    first = next((line for line in texts[-1].split("\n") if line.strip()), "")  # the deepest cause names the file
    return DiskFull(f"{what}: the disk is full ({display_text(first.strip(), 300).rstrip('.')}).")


def _is_full(error: BaseException) -> bool:
    return getattr(error, "errno", None) in FULL or any(words in str(error) for words in WORDS)
