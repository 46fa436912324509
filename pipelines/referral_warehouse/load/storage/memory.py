"""Memory that a load is through with goes back to the system; knows no rows and no dlt."""

from __future__ import annotations

import ctypes
import gc

import pyarrow as pa


def give_memory_back() -> None:
    """Return what was needed and is unused now, so that what comes next does not come on top of it."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; other systems give memory back by themselves
    if trim is not None:
        trim(0)
