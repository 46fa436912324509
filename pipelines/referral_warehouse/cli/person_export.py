"""Writes all that is held of a person: ``person.json``, and the same as a page for people, ``person.html``."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.workspace.durable_files import write_whole_file

STYLE = (
    "body{font:15px sans-serif;margin:2em;max-width:60em}table{border-collapse:collapse;margin:0 0 1.5em;width:100%}"
    "th{text-align:left;vertical-align:top;width:14em;font-weight:normal;color:#555}td,th{padding:.2em .5em;"
    "border-bottom:1px solid #ddd;overflow-wrap:anywhere}"
)


def write_export(folder: Path, user_id: int, held: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Path]:
    """Write both files into a new folder that its owner alone can read. Returns: their paths.

    Raises: ConfigurationError where the folder is there already or cannot be made.
    """
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be made: {error.strerror or error}.", "Name a new folder with --out."
        ) from None
    tables = {table: [dict(row) for row in rows] for table, rows in held.items() if rows}
    document = {"user_id": user_id, "tables": {table: list(map(_plain, rows)) for table, rows in tables.items()}}
    paths = [folder / "person.json", folder / "person.html"]
    write_whole_file(paths[0], json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
    write_whole_file(paths[1], _page(user_id, tables))
    for path in paths:
        path.chmod(0o600)
    return paths


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for JSON: times and amounts as exact texts."""
    return {
        name: value if isinstance(value, (int, str, bool, type(None))) else str(value) for name, value in row.items()
    }


def _page(user_id: int, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    parts = []
    for table, rows in tables.items():
        parts.append(f"<h2>{html.escape(table)}</h2>")
        for row in rows:
            cells = "".join(
                f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
                for name, value in row.items()
                if value is not None
            )
            parts.append(f"<table>{cells}</table>")
    title = f"What is held of user {user_id}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"</head><body><h1>{title}</h1>{''.join(parts)}</body></html>\n"
    )
