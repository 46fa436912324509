"""Lists copies of a warehouse that an erasure does not reach, each with the command that removes the old data in it.

Backups are not rewritten: they are needed when a change of the warehouse went wrong, so that the change must not reach
them, and their checksums prove that they are unchanged.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from referral_warehouse.settings import Settings

NOTHING_NOW = "a directory of backups that is empty now; nothing has to be done, unless its disk is not connected"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy: ``what`` it is, ``path`` where it is, and the ``command`` that removes the old data in it."""

    what: str
    path: str
    command: str


def copies_elsewhere(settings: Settings) -> list[Copy]:
    """The backup directories in ``state/backups.json``, and the files that ``restore --replace`` moved aside."""
    from referral_warehouse.operate.known_backups import known_backups

    account = f" --account {settings.account}" if settings.account else ""
    found = []
    for known in known_backups(settings.state_dir):
        count = len(known.names or ())
        what = "1 backup" if count == 1 else f"{count:,} backups"
        if not known.names:
            what = "a directory of backups that cannot be read now" if known.names is None else NOTHING_NOW
        command = f"referrals backup{account} {shlex.quote(str(known.directory))} --keep 1"
        found.append(Copy(what, str(known.directory), command))
    return [
        *found,
        *(Copy("what a restore moved aside", str(p), f"rm -r {shlex.quote(str(p))}") for p in _aside(settings)),
    ]


def _aside(settings: Settings) -> list[Path]:
    places = dict.fromkeys((settings.warehouse_dir, settings.published_dir))
    return [path for place in places if place.is_dir() for path in sorted(place.glob("replaced-*")) if path.is_dir()]
