"""The table of all settings: where each is given, what it may be, its default and what it means.

Everything that concerns a setting follows from its row: reading it, its default, names that are not known, ``referrals
config`` and the tables of docs/settings.md. A new section begins with its first row.
"""

from __future__ import annotations

from typing import Any

from referral_warehouse.settings.notify_rows import NOTIFY_ROWS
from referral_warehouse.settings.privacy_rows import PRIVACY_ROWS
from referral_warehouse.settings.setting import NOTIFY, PRIVACY, SOURCE, WAREHOUSE, Section, Setting
from referral_warehouse.settings.source_rows import SOURCE_ROWS
from referral_warehouse.settings.values import WholeNumber
from referral_warehouse.settings.warehouse_rows import WAREHOUSE_ROWS

__all__ = ["NOTIFY", "PRIVACY", "SECTIONS", "SOURCE", "TABLE", "WAREHOUSE", "Section", "Setting"]

TABLE: tuple[Setting, ...] = (*SOURCE_ROWS, *WAREHOUSE_ROWS, *PRIVACY_ROWS, *NOTIFY_ROWS)

SECTIONS: dict[Section, dict[str, Setting]] = {
    section: {setting.key: setting for setting in TABLE if setting.section == section}
    for section in dict.fromkeys(setting.section for setting in TABLE)
}
"""The settings of each section by key, in the order of the table."""


def default_of(attribute: str) -> Any:
    """The default of a field of Settings, as the table states it."""
    return next(setting.kind.default for setting in TABLE if setting.attribute == attribute)


def numbers() -> dict[str, WholeNumber]:
    """The fields of Settings that are numbers."""
    return {
        setting.attribute: setting.kind
        for setting in TABLE
        if isinstance(setting.kind, WholeNumber) and setting.section != NOTIFY
    }
