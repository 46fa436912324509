"""Replaces secrets in text that is logged or shown, and keeps them from other programs; knows no setting and no log.

Tokens register themselves when they are created, so that a text is safe whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "***"
MIN_ANYWHERE_CHARS = 6
"""Secrets of this length are replaced anywhere. The characters of shorter ones occur within ordinary words, which would
become unreadable, so these are replaced only where no letter or digit stands beside them."""

OWN_SETTINGS = ("SOURCES__", "ACCOUNTS__", "WAREHOUSE__", "PRIVACY__", "NOTIFY__", "DESTINATION__")
"""Beginnings of variables that other programs do not get: the token, addresses and passwords are among them."""

_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None


def register_secret(secret: str) -> None:
    """Replace this text from now on wherever ``redact`` is applied; an empty text is ignored."""
    global _pattern
    if not secret or secret in _secrets:
        return
    _secrets.add(secret)
    longest_first = sorted(_secrets, key=len, reverse=True)  # one secret may contain another
    _pattern = re.compile("|".join(map(_pattern_of, longest_first)))


def redact(text: str) -> str:
    """Return the text with every registered secret replaced by ``***``."""
    return text if _pattern is None else _pattern.sub(MASK, text)


def without_own_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for a program that is no part of this project."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(OWN_SETTINGS)}


def _pattern_of(secret: str) -> str:
    anywhere = re.escape(secret)
    return anywhere if len(secret) >= MIN_ANYWHERE_CHARS else rf"(?<![^\W_]){anywhere}(?![^\W_])"
