"""``config``: shows the value of every setting and where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from referral_warehouse.cli.accounts.choice import account_option, chosen_name
from referral_warehouse.cli.configuration import warn_of_files
from referral_warehouse.cli.output import write_json, write_line
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.redaction import MASK
from referral_warehouse.settings.delivery_target import DeliveryTarget
from referral_warehouse.settings.lake_target import LakeCatalog
from referral_warehouse.settings.loading import EffectiveSetting, effective_settings
from referral_warehouse.settings.readers_group import ReadersGroup

WIDEST_VALUE = 50


@click.command(epilog="Example: referrals config --json")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
@account_option
def config(as_json: bool) -> None:
    """Show every setting with its value and where that came from; the token is masked."""
    settings, rows = effective_settings(account=chosen_name())
    warn_of_files(settings)
    if as_json:
        write_json({
            "settings": [
                {"name": row.setting.name, "key": ".".join((*row.setting.section, row.setting.key)),
                 "value": shown_value(row), "origin": row.origin}
                for row in rows
            ],
            "files": settings.files,
            "accounts": list(settings.accounts),
        })  # fmt: skip
        return
    if settings.accounts and not settings.account:
        write_line(f"# The accounts are {', '.join(settings.accounts)}; --account NAME shows what applies to one.")
    for line in toml_lines(rows):
        write_line(line)


def shown_value(row: EffectiveSetting) -> Any:
    """A value for JSON: paths are text, a secret is masked, None stays None."""
    if row.value is None:
        return None
    if row.setting.is_secret:
        return MASK
    if isinstance(row.value, tuple):
        return dict(row.value)
    return str(row.value) if isinstance(row.value, (Path, ReadersGroup, DeliveryTarget, LakeCatalog)) else row.value


def toml_lines(rows: list[EffectiveSetting]) -> Iterator[str]:
    """The settings as a TOML file. A comment names the origin of each; settings without a value are comments."""
    assignments = {row.setting: _assignment(row) for row in rows}
    width = max(len(text) for text in assignments.values() if len(text) <= WIDEST_VALUE)
    sections = dict.fromkeys(row.setting.section for row in rows)
    for number, section in enumerate(sections):
        if number:
            yield ""
        yield f"[{'.'.join(section)}]"
        for row in rows:
            if row.setting.section == section:
                yield f"{assignments[row.setting].ljust(width)}  # {row.origin}"


def _assignment(row: EffectiveSetting) -> str:
    value = shown_value(row)
    if value is None:
        return f"# {row.setting.key} has no value"
    if isinstance(value, dict):
        pairs = ", ".join(f"{_toml(key)} = {_toml(unit)}" for key, unit in value.items())
        return f"{row.setting.key} = {{ {pairs} }}" if pairs else f"{row.setting.key} = {{}}"
    # As a comment: a masked value that is copied with the rest would replace the real one.
    return f"{'# ' if row.setting.is_secret else ''}{row.setting.key} = {_toml(value)}"


def _toml(value: Any) -> str:
    """A value of TOML; texts, numbers and booleans are written as in JSON."""
    return json.dumps(value, ensure_ascii=False)
