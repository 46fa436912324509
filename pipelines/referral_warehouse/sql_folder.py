"""Where the SQL files are, and the list of domains in one of them that is not for the models alone."""

from __future__ import annotations

import re
from pathlib import Path

from referral_warehouse.errors import ConfigurationError

DISPOSABLE_DOMAINS = "intermediate/int_disposable_domains.sql"


def sql_dir() -> Path:
    """The folder of models: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "sql", package.parents[1] / "sql"):
        if (candidate / "core").is_dir():
            return candidate
    raise ConfigurationError("The folder of SQL models was not found.", "Reinstall the package.")


def disposable_domains() -> frozenset[str]:
    """Domains of providers of throw-away addresses, in lower case, as the model of the rules on fraud lists them."""
    text = (sql_dir() / DISPOSABLE_DOMAINS).read_text(encoding="utf-8")
    return frozenset(re.findall(r"^    \('([^']+)'\)", text, re.MULTILINE))
