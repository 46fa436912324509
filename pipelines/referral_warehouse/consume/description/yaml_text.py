"""Writes documents as YAML."""

from __future__ import annotations

from typing import Any


def yaml_text(document: Any) -> str:
    """A document as YAML, with keys in their order."""
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=118)
    return text
