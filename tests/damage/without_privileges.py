"""Makes file modes apply to a process that runs as root, as they apply to other users."""

from __future__ import annotations

import ctypes
import os

VERSION_3 = 0x20080522
DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER = 1 << 1, 1 << 2, 1 << 3


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def obey_modes() -> None:
    """Give up the capabilities that let root open files whose mode forbids it; this cannot be undone."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets) == 0:
        for name in ("effective", "permitted"):
            setattr(sets[0], name, getattr(sets[0], name) & ~(DAC_OVERRIDE | DAC_READ_SEARCH | FOWNER))
        if libc.capset(ctypes.byref(header), sets) == 0:
            return
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
