"""Writing a file as a whole: readers see the old one or the new one, never a part.

Stands beside errors and knows no setting.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole_file(path: Path, text: str) -> None:
    """Write a text in UTF-8 beside ``path`` and move it there; nothing is left behind where that fails.

    Raises: OSError when the file cannot be written, also when ``path`` is a directory.
    """
    draft = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)  # noqa: PTH105 - refuses a directory in words
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
