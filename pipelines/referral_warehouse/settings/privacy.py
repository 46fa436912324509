"""The settings of personal data: in which form it is stored in the load file.

Knows no field by name: ``load.privacy`` checks the fields against the declaration of the streams.
"""

from __future__ import annotations

from typing import Any

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.reward_units import table_entries
from referral_warehouse.settings.sources import shown

KEEP, PSEUDONYMISE, DROP = "keep", "pseudonymise", "drop"
POLICIES = (KEEP, PSEUDONYMISE, DROP)
FORGET = "forget"
"""What becomes of people who are deleted in the account; the other choice is ``KEEP``."""


def field_policies(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    """The policies of single fields, sorted: ``users.email`` → one of the policies.

    Raises: ConfigurationError where the value is no table, a field is given twice, or a policy is none.
    """
    entries = table_entries(name, value, "policies by field", '{"users.email": "keep"}')
    for field, policy in entries:
        if policy not in POLICIES:
            raise ConfigurationError(f"{name} must give {shown(field)} one of {', '.join(POLICIES)}.")
    fields = [field.strip() for field, _ in entries]
    if doubled := sorted({field for field in fields if fields.count(field) > 1}):
        raise ConfigurationError(f"{name} has {shown(doubled[0])} more than once.", "Leave one of the entries.")
    return tuple(sorted((field.strip(), policy) for field, policy in entries))
