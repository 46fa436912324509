"""Keeps people forgotten when an older backup is restored: their personal values are erased from the restored files.

The journal of that erasure is written before anything is restored, so that a sync completes a restore that was killed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from referral_warehouse.cli.forgetting import Erasure, announce, complete_interrupted, interrupted, withdraw
from referral_warehouse.errors import AnotherSyncRunning
from referral_warehouse.settings import Settings
from referral_warehouse.workspace.lock import UNFINISHED_RESTORE, warehouse_lock

BY_RESTORE = "a restored backup"


@contextmanager
def erased_afterwards(settings: Settings) -> Iterator[None]:
    """Around a restore: at the end of the ``with``, everybody whom this directory has forgotten is erased."""
    from referral_warehouse.load.privacy.forgotten import people_file

    erasure = Erasure((), BY_RESTORE)
    is_needed = people_file(settings).exists()
    if is_needed and interrupted(settings) is None:
        announce(settings, erasure)
    try:
        yield
    except BaseException:
        if interrupted(settings) == erasure and not os.path.lexists(settings.warehouse_dir / UNFINISHED_RESTORE):
            withdraw(settings)
        raise
    if is_needed:
        with suppress(AnotherSyncRunning), warehouse_lock(settings.warehouse_dir):  # a sync that began completes it
            complete_interrupted(settings)
