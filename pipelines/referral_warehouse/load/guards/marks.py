"""Marks: what a campaign or a user is recognised by, wherever its row comes from. Knows no API and no table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Marks = frozenset[str]


def campaign_marks(row: Mapping[str, Any]) -> Marks:
    """The code and the address of a campaign's row, those that it has."""
    return _marks(row, ("code", "url"))


def user_marks(row: Mapping[str, Any]) -> Marks:
    """The code and the e-mail address of a user's row, those that it has, each with the campaign."""
    return frozenset(f"{row.get('campaign_id')} {mark}" for mark in _marks(row, ("code", "email")))


def _marks(row: Mapping[str, Any], names: Iterable[str]) -> Marks:
    texts = {name: str(value).strip() for name in names if (value := row.get(name)) is not None}
    return frozenset(f"{name} {text}" for name, text in texts.items() if text)
