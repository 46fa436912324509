"""Replaces secrets in text that is logged; knows neither settings nor logs.

Tokens register themselves when they are created, so that a text is safe whoever wrote it.
"""

from __future__ import annotations

MASK = "***"
MIN_SECRET_CHARS = 6
"""Shorter secrets are not registered: their characters occur in ordinary words, which would become unreadable."""

_secrets: set[str] = set()


def register_secret(secret: str) -> None:
    """Replace this text from now on wherever ``redact`` is applied.

    Args:
        secret: The text; fewer than ``MIN_SECRET_CHARS`` characters are ignored.
    """
    if len(secret) >= MIN_SECRET_CHARS:
        _secrets.add(secret)


def redact(text: str) -> str:
    """Return the text with every registered secret replaced by ``***``."""
    for secret in sorted(_secrets, key=len, reverse=True):  # one secret may contain another
        text = text.replace(secret, MASK)
    return text
