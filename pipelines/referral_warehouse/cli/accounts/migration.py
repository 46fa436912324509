"""``referrals migrate --to accounts``: moves the data of a directory to one of several accounts."""

from __future__ import annotations

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import Settings


def give_to_account(settings: Settings) -> bool:
    """Move the data under the locks of the directory.

    Args: ``settings`` are of the account that the data is of.
    Returns: False where there is nothing to move. Raises: ConfigurationError, AnotherSyncRunning, ReferralsError.
    """
    from referral_warehouse.cli.erased_places import DELIVERING
    from referral_warehouse.destinations.record import NAME as DESTINATIONS
    from referral_warehouse.operate.account_migration import adopt
    from referral_warehouse.operate.delivered_sets import WITHDRAWN
    from referral_warehouse.warehouse.accounts.publication import publication_lock
    from referral_warehouse.warehouse.lake.record import NAME as LAKE
    from referral_warehouse.workspace.directories import DEMO_MARKER
    from referral_warehouse.workspace.disk_space import disk_full_error
    from referral_warehouse.workspace.lock import warehouse_lock

    together = settings.together
    if together is None:
        raise ConfigurationError(
            "The settings have no accounts.",
            "Add [accounts.<name>] with its api_token to .dlt/secrets.toml, and name the account that the data is of "
            "with --account.",
        )
    if (together.warehouse_dir / DEMO_MARKER).exists():
        raise ConfigurationError(
            f"{together.warehouse_dir} holds the data of a demo.",
            "Set WAREHOUSE__DIR to another directory; the data of a demo belongs to no account.",
        )
    if not together.warehouse_dir.is_dir():
        return False
    with warehouse_lock(together.warehouse_dir), publication_lock(together):
        try:
            return adopt(settings, stays=(DESTINATIONS, DELIVERING, LAKE, WITHDRAWN))
        except OSError as error:
            raise disk_full_error(error, "The data could not be moved") or ConfigurationError(
                f"The data could not be moved to {settings.warehouse_dir}: {error.strerror or error}.",
                "Correct that and run the same command again: it continues.",
            ) from error
