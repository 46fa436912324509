"""Ends a command in this process before a change of a name in the file system, as a signal would."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


def end_before(patch: pytest.MonkeyPatch, step: int) -> None:
    """Raise what Ctrl-C raises before the ``step``-th change of a name in the file system."""
    left = [step]

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def counting(*arguments: object, **options: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return change(*arguments, **options)

        return counting

    for name in ("replace", "rename", "hardlink_to", "symlink_to", "unlink"):
        patch.setattr(Path, name, counted(getattr(Path, name)))
    patch.setattr(os, "replace", counted(os.replace))
