"""Settings: environment and ``.dlt/*.toml`` become one frozen object; the token is masked in every repr.

Names and places are dlt's own conventions (environment first, then ``.dlt/secrets.toml``, ``.dlt/config.toml``, then
the same files in ``~/.dlt``), read here without importing dlt so that every command starts fast. ``table`` has a row
for each setting, ``values`` the kinds of values, ``sources`` the places; ``loading`` joins them.
"""

from __future__ import annotations

from referral_warehouse.settings.base_url import DEFAULT_BASE_URL, checked_base_url, is_loopback_url
from referral_warehouse.settings.loading import load_settings
from referral_warehouse.settings.model import Settings, checked_settings, refuse_unlimited_calls
from referral_warehouse.settings.token import Token

__all__ = [
    "DEFAULT_BASE_URL",
    "Settings",
    "Token",
    "checked_base_url",
    "checked_settings",
    "is_loopback_url",
    "load_settings",
    "refuse_unlimited_calls",
]
