"""Makes system calls for file locks or links fail in a process, as on file systems without them.

Each function changes the process that calls it, for good (a seccomp filter; Linux on x86-64 or arm64).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, SECOND_ARGUMENT_AT = 0, 24  # offsets in struct seccomp_data
FLOCK = {"x86_64": 73, "aarch64": 32}
SYMLINK = {"x86_64": (88, 266), "aarch64": (36,)}
FCNTL = {"x86_64": 72, "aarch64": 25}
F_SETLK, F_SETLKW, F_OFD_SETLK = 6, 7, 37


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def no_flock() -> None:
    """flock() is not implemented from now on; record locks are."""
    _install(_refuse_flock(errno.ENOSYS))


def no_locks() -> None:
    """Neither flock() nor record locks are there from now on."""
    _install(_refuse_flock(errno.ENOSYS) + _refuse_record_locks(errno.ENOLCK))


def no_links() -> None:
    """symlink() is not permitted from now on, as on FAT and many network shares."""
    steps = [(LOAD, 0, 0, NUMBER_AT)]
    for number in SYMLINK[platform.machine()]:
        steps += [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | errno.EPERM)]
    _install(steps)


def _refuse_flock(code: int) -> list[tuple[int, int, int, int]]:
    return [
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_IF_EQUAL, 0, 1, FLOCK[platform.machine()]),
        (RETURN, 0, 0, ERRNO | code),
    ]


def _refuse_record_locks(code: int) -> list[tuple[int, int, int, int]]:
    return [
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_IF_EQUAL, 0, 5, FCNTL[platform.machine()]),
        (LOAD, 0, 0, SECOND_ARGUMENT_AT),
        (JUMP_IF_EQUAL, 2, 0, F_SETLK),
        (JUMP_IF_EQUAL, 1, 0, F_SETLKW),
        (JUMP_IF_EQUAL, 0, 1, F_OFD_SETLK),
        (RETURN, 0, 0, ERRNO | code),
    ]


def _install(steps: list[tuple[int, int, int, int]]) -> None:
    code = b"".join(struct.pack("HBBI", *step) for step in [*steps, (RETURN, 0, 0, ALLOW)])
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "this system does not take a seccomp filter")
