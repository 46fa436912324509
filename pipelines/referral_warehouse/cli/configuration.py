"""The settings of a command, with warnings about the files they come from."""

from __future__ import annotations

from referral_warehouse.cli.accounts.choice import chosen_name, refuse_all_accounts
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, load_settings

FIRST_STEP = (
    "Run `referrals init`, or set SOURCES__REFERRAL_FACTORY__API_TOKEN or SOURCES__REFERRAL_FACTORY__API_TOKEN_FILE; "
    "without an account, `referrals demo` simulates one."
)


def read_settings(*, may_be_together: bool = False) -> Settings:
    """The settings; warns on standard error of files that were skipped or that others can read.

    Args: ``may_be_together`` is true where a command works on several accounts together, without ``--account``.
    Raises: ConfigurationError when a value cannot be used, or one of several accounts has to be chosen.
    """
    settings = load_settings(account=chosen_name())
    if not may_be_together:
        refuse_all_accounts(settings)
    warn_of_files(settings)
    return settings


def warn_of_files(settings: Settings) -> None:
    """Warn on standard error of settings files that have a problem."""
    from referral_warehouse.cli.run_logging import open_log
    from referral_warehouse.events import log_warning

    if settings.warnings:
        with open_log():
            for text in settings.warnings:
                log_warning("settings", "settings", text)


def with_token() -> Settings:
    """The settings, with a token. Raises: ConfigurationError without one."""
    settings = read_settings()
    refuse_missing_token(settings)
    return settings


def refuse_missing_token(settings: Settings) -> None:
    """Raises: ConfigurationError without a token."""
    if settings.api_token is None and settings.account:
        name = f"ACCOUNTS__{settings.account.upper()}__API_TOKEN"
        raise ConfigurationError(
            f"The account {settings.account} has no API token.",
            f"Run `referrals init --account {settings.account}`, or set {name} or {name}_FILE.",
        )
    if settings.api_token is None:
        raise ConfigurationError("There is no API token.", FIRST_STEP)
