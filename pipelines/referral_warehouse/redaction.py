"""Replaces secrets in text that is logged or shown; knows neither settings nor logs.

Tokens register themselves when they are created, so that a text is safe whoever wrote it.
"""

from __future__ import annotations

import re

MASK = "***"
MIN_ANYWHERE_CHARS = 6
"""Secrets of this length are replaced anywhere. The characters of shorter ones occur within ordinary words, which would
become unreadable, so these are replaced only where no letter or digit stands beside them."""

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


def _pattern_of(secret: str) -> str:
    anywhere = re.escape(secret)
    return anywhere if len(secret) >= MIN_ANYWHERE_CHARS else rf"(?<![^\W_]){anywhere}(?![^\W_])"
