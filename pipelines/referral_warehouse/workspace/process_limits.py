"""Limits of the operating system on the process (``ulimit``): checked before a command, recognised in errors.

Libraries fail at a limit in many ways, some by crashing, so the limits are compared with the needs of a command before
it begins. Errors at a limit are recognised in the whole chain of causes.
"""

from __future__ import annotations

import errno
import os
import resource

from referral_warehouse.errors import LimitReached, causes

KIB, MIB = 1024, 1024**2

# Every thread of a library reserves a stack and a region for its allocations, and libraries start one per processor.
PER_PROCESSOR = 128 * MIB * (os.cpu_count() or 1)
# limit → what it limits, option of ulimit, the smallest value for any command and for one that loads or builds
SMALLEST = {
    resource.RLIMIT_STACK: ("stack", "-s", 512 * KIB, 512 * KIB),
    resource.RLIMIT_NOFILE: ("open files", "-n", 32, 64),
    resource.RLIMIT_AS: ("address space", "-v", 768 * MIB + PER_PROCESSOR, 1792 * MIB + PER_PROCESSOR),
    resource.RLIMIT_DATA: ("data segment", "-d", 768 * MIB + PER_PROCESSOR, 1792 * MIB + PER_PROCESSOR),
}
NUMBERS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
WORDS = (
    "Too many open files",
    "Cannot allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
    "Failed to launch worker thread",
    "Resource temporarily unavailable",
    "Out of Memory Error",
    "std::bad_alloc",
    "failed to allocate",
)


def refuse_small_limits(*, writes: bool) -> None:
    """Compare the limits with what a command needs.

    Args: ``writes`` is true for commands that load or build.
    Raises: LimitReached for the first that is too small.
    """
    for limit, (what, option, for_any, for_writing) in SMALLEST.items():
        allowed = resource.getrlimit(limit)[0]
        needed = for_writing if writes else for_any
        if allowed != resource.RLIM_INFINITY and allowed < needed:
            found, wanted = (_quantity(number, option) for number in (allowed, needed))
            raise LimitReached(
                f"The limit on {what} of this process (ulimit {option}) is {found}; this command needs {wanted}.",
                f"Raise it to {wanted} or more, or to unlimited, and run the same command again.",
            )


def limit_behind(error: BaseException) -> LimitReached | None:
    """The error to report when a limit of the process was reached; None when it was something else."""
    found = [
        cause
        for cause in causes(error)
        if isinstance(cause, MemoryError) or getattr(cause, "errno", None) in NUMBERS or _names_a_limit(cause)
    ]
    if not found:
        return None
    words = str(found[-1]).strip().splitlines()  # the deepest cause is the system's own
    reason = words[0][:200].rstrip(".") if words else type(found[-1]).__name__
    return LimitReached(f"The process reached a limit of the system ({reason}).")


def _names_a_limit(error: BaseException) -> bool:
    return any(words in str(error) for words in WORDS)


def _quantity(number: int, option: str) -> str:
    return str(number) if option == "-n" else f"{number // KIB:,} KiB"
