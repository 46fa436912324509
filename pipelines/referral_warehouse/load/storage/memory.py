"""Returns unused memory to the system; knows no rows and no dlt."""

from __future__ import annotations

import ctypes
import gc

import pyarrow as pa


def release_memory() -> None:
    """Return memory that is unused now, so that the next step does not add to it."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc; other systems return memory by themselves
    if trim is not None:
        trim(0)
