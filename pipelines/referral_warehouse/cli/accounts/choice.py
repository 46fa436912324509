"""``--account NAME``: the option, stored in the object that the group and its commands share, and its completion."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from referral_warehouse.errors import ConfigurationError, ReferralsError

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
KEY = "account"
COMMAND = re.compile(
    "(`referrals (?:backup|build|check|config|export|fix-clock|forget|init|load|privacy|publish|report|restore|status|"
    "strikes|sync))(?! --account)"
)
"""A command in a text that has the option ``--account``."""


def _remember(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:  # noqa: ARG001
    if value is not None:
        ctx.ensure_object(dict)[KEY] = value


def _complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    from referral_warehouse.settings import load_settings

    try:
        names = load_settings().accounts
    except ReferralsError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def account_option(command: F) -> F:
    """Add ``--account NAME``; ``chosen_name`` returns its value."""
    option = click.option(
        "--account", metavar="NAME", expose_value=False, callback=_remember, shell_complete=_complete,
        help="Only this one of several accounts.",
    )  # fmt: skip
    return option(command)


def chosen_name() -> str | None:
    """The account of ``--account``; None without that option."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.ensure_object(dict).get(KEY)


def named_for(account: str, text: str) -> str:
    """Change advice for a single account into advice for one of several: its settings, and ``--account``."""
    text = text.replace("SOURCES__REFERRAL_FACTORY__", f"ACCOUNTS__{account.upper()}__")
    return COMMAND.sub(rf"\1 --account {account}", text)


def refuse_all_accounts(settings: Settings) -> None:
    """Raises: ConfigurationError where the settings are of several accounts together."""
    if settings.accounts and not settings.account:
        raise ConfigurationError(
            f"The settings have several accounts ({', '.join(settings.accounts)}), and this command is for one.",
            f"Add `--account {settings.accounts[0]}`, or another of them, to the command.",
        )
