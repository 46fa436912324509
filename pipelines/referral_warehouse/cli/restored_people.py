"""Erases forgotten people from the files of an older backup that is restored.

The journal of that erasure is written before anything is restored, so that after a kill the next sync completes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from referral_warehouse.cli.forgetting import (
    Erasure,
    cancel_planned_erasure,
    complete_interrupted,
    interrupted,
    plan_erasure,
)
from referral_warehouse.errors import AnotherSyncRunning
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.lock import UNFINISHED_RESTORE, warehouse_lock

BY_RESTORE = "a restored backup"


@contextmanager
def erased_afterwards(settings: Settings) -> Iterator[None]:
    """For the ``with`` around a restore: at its end, erase everybody whom this directory has forgotten."""
    from referral_warehouse.load.privacy.forgotten import people_file

    erasure = Erasure((), BY_RESTORE)
    is_needed = people_file(settings).exists()
    if is_needed and interrupted(settings) is None:
        plan_erasure(settings, erasure)
    try:
        yield
    except BaseException:
        if interrupted(settings) == erasure and not os.path.lexists(settings.warehouse_dir / UNFINISHED_RESTORE):
            cancel_planned_erasure(settings)
        raise
    if is_needed:
        with suppress(AnotherSyncRunning), warehouse_lock(settings.warehouse_dir):  # a sync that began completes it
            complete_interrupted(settings)
