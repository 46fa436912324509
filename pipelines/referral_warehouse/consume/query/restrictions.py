"""The settings of DuckDB that restrict a connection to the database that it has attached.

Knows no connection and no program.
"""

from __future__ import annotations

from typing import Any

from referral_warehouse.sql_quoting import literal

CONFIG: dict[str, Any] = {
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "temp_directory": "",
}
"""Set before the snapshot is attached; the settings of LOCKED follow."""

LOCKED = ("set timezone = 'UTC'", "set enable_external_access = false", "set lock_configuration = true")


def closing_script() -> str:
    """All of these as SQL, for programs that run a script before the first query."""
    lines = [f"set {name} = {_value(value)}" for name, value in CONFIG.items()]
    return "".join(f"{line};\n" for line in (*lines, *LOCKED))


def _value(value: bool | str) -> str:
    return str(value).lower() if isinstance(value, bool) else literal(value)
