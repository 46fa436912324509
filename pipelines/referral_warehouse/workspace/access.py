"""Who may read what is published: its owner, and the members of one group if there is one.

The load file and the state are for their owner alone, whatever is set here. Modes are set, never left to the umask.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from referral_warehouse.errors import ConfigurationError

WITHOUT_MODES = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
"""Error numbers of file systems without modes or owners, such as those of memory cards and many network shares."""


@dataclass(frozen=True, slots=True)
class Access:
    """``group`` is the id of the readers' group; None for the owner alone."""

    group: int | None = None

    def folder(self, path: Path) -> None:
        """Let readers list and enter a folder: 0750, or 0700 without a group. Raises: ConfigurationError, OSError."""
        self._set(path, 0o750 if self.group is not None else 0o700)

    def file(self, path: Path) -> None:
        """Let readers read a file that is replaced as a whole: 0640 or 0600. Raises: as ``folder``."""
        self._set(path, 0o640 if self.group is not None else 0o600)

    def frozen_file(self, path: Path) -> None:
        """Let readers read a file that nobody changes: 0440 or 0400. Raises: as ``folder``."""
        self._set(path, 0o440 if self.group is not None else 0o400)

    def outer_folder(self, path: Path) -> None:
        """Let readers enter the directory above what is published; its other modes stay as they are.

        Raises: ConfigurationError, OSError.
        """
        if self.group is None:
            return
        found = path.stat()
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o005 == 0o005 or (found.st_gid == self.group and mode & 0o050 == 0o050):
            return
        self._set(path, mode | 0o050)

    def _set(self, path: Path, mode: int) -> None:
        try:
            found = path.stat()
            if self.group is not None and found.st_gid != self.group:
                os.chown(path, -1, self.group)
            if stat.S_IMODE(found.st_mode) != mode or self.group is not None:
                path.chmod(mode)
        except OSError as error:
            if error.errno not in WITHOUT_MODES:
                raise
            if self.group is not None:
                raise ConfigurationError(
                    f"{path} cannot be given to the group of WAREHOUSE__READERS_GROUP ({error.strerror}).",
                    "Use a directory that this user owns, on a file system with owners and modes; on a share without "
                    "them, remove the setting and let the share decide who may read.",
                ) from None
