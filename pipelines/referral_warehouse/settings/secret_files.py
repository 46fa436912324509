"""Files that hold one secret and nothing else, as Docker, Kubernetes and systemd provide them.

Knows no setting. A secret is never part of a message.
"""

from __future__ import annotations

from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import register_secret
from referral_warehouse.settings.sources import TOKEN_LIKE, cleaned
from referral_warehouse.workspace.text_files import UnreadableFile, read_text_file

MAX_SECRET_BYTES = 64 * 1024


def read_secret_file(name: str, path: Path) -> str:
    """The secret, without the blanks and line breaks around it.

    Args: ``name`` is the setting that names the file, for messages.
    Raises: ConfigurationError where the file is missing, cannot be read, is empty, or has more than one line.
    """
    try:
        text = cleaned(read_text_file(path, MAX_SECRET_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        if TOKEN_LIKE.search(path.name):
            register_secret(path.name)
            raise ConfigurationError(
                f"{name} names a file, and there is none of that name; what it has instead may be the secret itself.",
                f"Give the secret in {name.removesuffix('_FILE')}, or correct {name}.",
            ) from None
        raise ConfigurationError(
            f"{name} is {path}, and there is no such file.", f"Create it, or correct {name}."
        ) from None
    except UnreadableFile as error:
        step = "Make it readable for this user." if error.is_forbidden else "Write the secret alone, as UTF-8 text."
        raise ConfigurationError(f"{name} is {path}, which cannot be read: {error.reason}.", step) from None
    if not text:
        raise ConfigurationError(f"{name} is {path}, and that file is empty.", "Write the secret into it.")
    if len(text.splitlines()) > 1:
        raise ConfigurationError(
            f"{name} is {path}, and that file has {len(text.splitlines())} lines.",
            "Leave only the secret in it, on one line.",
        )
    return text
