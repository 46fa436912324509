"""``init``: asks for the API token, tries it, and writes it where the other commands find it."""

from __future__ import annotations

import dataclasses
import re
import sys

import click

from referral_warehouse.cli.account_check import check_account, print_check
from referral_warehouse.cli.accounts.choice import account_option, chosen_name, refuse_all_accounts
from referral_warehouse.cli.configuration import warn_of_files
from referral_warehouse.cli.output import work_is_done, write_line
from referral_warehouse.cli.secrets_file import SecretsFile
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings, Token
from referral_warehouse.settings.accounts import section_of
from referral_warehouse.settings.base_url import refuse_redirected_token
from referral_warehouse.settings.loading import EffectiveSetting, effective_settings
from referral_warehouse.settings.sources import ENVIRONMENT, Place, cleaned, working_folder
from referral_warehouse.settings.table import SOURCE

MAX_TOKEN_CHARS = 8_192
TYPED = Place("the prompt", is_own=True)
SCHEME = re.compile(r"^bearer(?:\s+|$)", re.IGNORECASE)


@click.command(epilog="Example: referrals init")
@logging_options
@account_option
def init() -> None:
    """Ask for the API token, try it, show what the account supports, and write .dlt/secrets.toml.

    The token is not shown while it is typed. Without a terminal it is read from the first line of standard input.
    """
    from referral_warehouse.cli.run_logging import open_log

    folder = working_folder()
    if folder is None:
        raise ConfigurationError("The working directory does not exist any more.", "Change to one that exists.")
    account = chosen_name()
    file = SecretsFile(folder, SOURCE if account is None else section_of(account))
    settings, rows = effective_settings(account=account, is_new_account=True)
    refuse_all_accounts(settings)
    warn_of_files(settings)
    by_key = {row.setting.key: row for row in rows}
    _refuse_other_tokens(by_key["api_token"], by_key["api_token_file"])
    refuse_redirected_token(TYPED, settings.base_url, by_key["base_url"].place)
    token = _ask(settings)
    settings = dataclasses.replace(settings, api_token=Token(token))
    with open_log():
        check = check_account(settings)
    file.write(token)
    work_is_done(f"The token is written to {file.path}.")
    print_check(check, settings)
    write_line(f"The token is in {file.path}, readable for you alone. Next: referrals sync")


def _refuse_other_tokens(token: EffectiveSetting, file: EffectiveSetting) -> None:
    """Raises: ConfigurationError where another token takes precedence, so that the written one would have no effect."""
    for given in (file, token):
        if given.value is not None and (given is file or given.place == ENVIRONMENT):
            raise ConfigurationError(
                f"{given.setting.name} is given in {given.place.name}; one in .dlt/secrets.toml would have no effect.",
                "Remove it there and run the same command again, or keep it and run `referrals check`.",
            )


def _ask(settings: Settings) -> str:
    """The token that is typed or piped in. Raises: ConfigurationError without one."""
    try:
        if sys.stdin.isatty():
            text = click.prompt(
                f"API token for {settings.base_url} (from Settings > API of the account; it is not shown)",
                hide_input=True, default="", show_default=False, err=True,
            )  # fmt: skip
        else:
            text = sys.stdin.readline(MAX_TOKEN_CHARS + 1)
    except (click.Abort, EOFError):
        text = ""
    except UnicodeDecodeError:
        raise ConfigurationError("The token that was given is not text.", "Run the same command again.") from None
    token = SCHEME.sub("", cleaned(text), count=1)
    if not token:
        raise ConfigurationError(
            "No token was given.", "Copy it from Settings > API of the account and run the same command again."
        )
    return token
