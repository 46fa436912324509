"""Checks that a directory and the accounts of the settings belong together, before a run reads or writes."""

from __future__ import annotations

from referral_warehouse.errors import ConfigurationError, HistoryLost, ReferralsError
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.workspace.current_snapshot import is_published
from referral_warehouse.workspace.directories import ACCOUNTS


def refuse_other_layout(settings: Settings) -> None:
    """Refuse settings of several accounts where the directory has one account without a name, and vice versa.

    Raises: ConfigurationError.
    """
    if settings.accounts:
        _refuse_unnamed_data(settings.together or settings)
    elif (settings.warehouse_dir / ACCOUNTS).is_dir():
        raise ConfigurationError(
            f"{settings.warehouse_dir} holds several accounts, and the settings have one without a name.",
            "Add the accounts to the settings again, as [accounts.<name>], or set WAREHOUSE__DIR to another directory.",
        )


def _refuse_unnamed_data(together: Settings) -> None:
    """Raises: ConfigurationError where the directory has the data of one account without a name."""
    from referral_warehouse.operate.account_migration import unfinished_account

    begun = unfinished_account(together)
    if begun is not None or together.load_path.exists():
        raise ConfigurationError(
            f"{together.warehouse_dir} holds the data of one account that has no name yet.",
            f"Run `referrals migrate --to accounts --account {begun or together.accounts[0]}`, with the name of the "
            "account that the data is of, and then the same command again.",
        )


def refuse_equal_tokens(settings: Settings) -> None:
    """Raises: ConfigurationError where two accounts have the same token: their data would be published twice."""
    known: dict[str, str] = {}
    for name in settings.accounts:
        try:
            token = load_settings(account=name).api_token
        except ReferralsError:
            continue  # its own sync reports this
        if token is None:
            continue
        other = known.setdefault(token.reveal(), name)
        if other != name:
            raise ConfigurationError(
                f"The accounts {other} and {name} have the same token, so that they are one account.",
                f"Give each its own token, or remove [accounts.{name}].",
            )


def refuse_lost_account(settings: Settings) -> None:
    """Refuse to start an account again whose directory is lost and whose data is published.

    Its history would be lost unnoticed: a new load file is compared with the account's own snapshots, which are also
    lost.

    Raises: HistoryLost.
    """
    from referral_warehouse.warehouse.accounts.publication import published_accounts

    together = settings.together
    if together is None or settings.load_path.exists() or is_published(settings.published_dir):
        return
    if published_accounts(together).get(settings.account, {}).get("snapshot"):
        raise HistoryLost(
            f"Data of the account {settings.account} is published, and there is none in {settings.warehouse_dir}.",
            "Put that directory back, or restore a backup of the account (`referrals restore DIR`). If there is none, "
            "run `referrals sync --accept-shorter-history`: the account's liability history then starts again.",
        )
