"""Properties of the machine: its clock since boot and the folder of the call stores.

Knows files and clocks; it opens no call store and knows nothing of calls.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings


def boot_clock() -> float:
    """Seconds since boot, the same in every process and independent of the wall clock.

    Includes suspended time where the system supports it.
    """
    clock_id = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock_id is None else time.clock_gettime(clock_id)


def boot_id() -> str:
    """Identifies this boot; where the system has no identifier, the time of boot, rounded to ten minutes."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"booted-{round((time.time() - boot_clock()) / 600)}"


@dataclass(frozen=True, slots=True)
class HostClock:
    """The machine's clocks, in seconds: since boot, and since the epoch. ``boot`` identifies the boot."""

    since_boot: Callable[[], float] = boot_clock
    wall: Callable[[], float] = time.time
    boot: str = field(default_factory=boot_id)


def call_store_name(token: str, loopback_url: str | None) -> str:
    """The call store's file name: a hash of the token; each server on this machine has its own.

    The host is left out otherwise: the vendor's hosts share one budget per token.
    """
    place = urlsplit(loopback_url).netloc if loopback_url else ""
    digest = hashlib.sha256(f"{token}\0{place}".encode()).hexdigest()
    return f"{'local-' if place else ''}{digest[:40]}.sqlite3"


def call_store_folder(settings: Settings) -> Path:
    """The folder of this machine's call stores; the warehouse's own state folder where that cannot be written.

    The machine's folder comes first because two warehouses of one account share one budget.
    Raises: ConfigurationError when neither can be written.
    """
    places = _call_store_folders(settings)
    for folder in places:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise ConfigurationError(
        f"The call store cannot be written in any of: {', '.join(map(str, places))}.",
        "Set XDG_STATE_HOME to a folder that this user can write.",
    )


def existing_call_store(settings: Settings, name: str) -> Path | None:
    """The call store of that name, for reading: preferably one that this user can write; None where there is none."""
    found = [path for folder in _call_store_folders(settings) if os.path.exists(path := folder / name)]  # noqa: PTH110
    return min(found, key=lambda path: not os.access(path, os.W_OK), default=None)


def _call_store_folders(settings: Settings) -> list[Path]:
    """The machine's folder and the warehouse's own.

    A relative XDG_STATE_HOME is ignored, as the XDG standard requires, and so is an unknown home directory.
    """
    home = Path(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"))  # noqa: PTH111 - never raises
    own = (settings.together or settings).state_dir  # several accounts share an address
    return [*([home / "referral-warehouse"] if home.is_absolute() else []), own]


def remove_old_call_stores(folder: Path, now: float, older_than_s: float) -> None:
    """Remove outdated call stores of servers on this machine, which have one per port."""
    for path in folder.glob("local-*.sqlite3*"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > older_than_s:
                path.unlink()
