"""The file with the key of pseudonyms: made once, readable for its owner alone, and never a part of a message."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings
from referral_warehouse.settings.secret_files import read_secret_file

KEY_BYTES = 32
SETTING = "PRIVACY__KEY_FILE"
HEX = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")


def make_key(settings: Settings) -> Path:
    """Write a new key into the file that the settings name. Returns: its path.

    Raises: ConfigurationError where no file is named, it is there already, or it cannot be written.
    """
    path = _named(settings)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(
            f"{path} exists already; pseudonyms made with a new key would not equal the stored ones.",
            "Keep the file, and a copy of it in a safe place. No new key is needed.",
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror or error}.",
            f"Set {SETTING} to a file in a folder that this user may write.",
        ) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(f"{secrets.token_hex(KEY_BYTES)}\n")
        stream.flush()
        os.fsync(descriptor)
    return path


def read_key(settings: Settings) -> bytes:
    """The key. Raises: ConfigurationError where there is none, it is no key, or other users can read it."""
    path = _named(settings)
    text = read_secret_file(SETTING, path)
    if not HEX.fullmatch(text):
        raise ConfigurationError(
            f"{SETTING} is {path}, and that file holds no key that `referrals privacy --new-key` made.",
            "Restore the file from your copy; docs/privacy.md says what to do if the key is lost.",
        )
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"Other users can read {path}, the key of pseudonyms.", f"Run `chmod 600 {path}`.")
    return bytes.fromhex(text)


def _named(settings: Settings) -> Path:
    if settings.privacy_key_file is None:
        raise ConfigurationError(
            f"Pseudonyms need a key, and {SETTING} names no file for it.",
            f"Set {SETTING} to a path outside {settings.warehouse_dir}, and run `referrals privacy --new-key`.",
        )
    return settings.privacy_key_file
