"""Publishes all accounts together, as one snapshot of the directory that they share.

Everything that changes what is published there holds ``publication_lock``: a publication, and an erasure in one
account, which rewrites the snapshots of all. Each account also has its own lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from referral_warehouse.errors import MassDisappearance, NothingPublished
from referral_warehouse.utc_times import iso_utc
from referral_warehouse.warehouse.accounts.states import AccountState, current_at_of, entries_of, origin_of
from referral_warehouse.workspace.current_snapshot import current_number
from referral_warehouse.workspace.lock import waiting_lock

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings
    from referral_warehouse.warehouse.publish import Companion, Publication

LOCK = "publication.lock"
LONGEST_WAIT_S = 600.0


@contextmanager
def publication_lock(together: Settings) -> Iterator[None]:
    """Lock what is published of all accounts for the length of a ``with``, after waiting for another process.

    Raises: AnotherSyncRunning when it is still held after ten minutes; ConfigurationError.
    """
    with waiting_lock(together.state_dir / LOCK, together.warehouse_dir, LONGEST_WAIT_S):
        yield


def publish_together(
    together: Settings,
    states: Sequence[AccountState],
    *,
    accept_deletions: bool = False,
    companions: Sequence[Companion] = (),
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Publication | None:
    """Publish the current snapshots of all accounts as one; the caller holds ``publication_lock``.

    Args:
        together: the settings of all accounts together.
        states: the accounts; one of which nothing is published has no rows, and is in ``ops.accounts``.
        accept_deletions: whether an account that was published may be missing now.
        companions: write further files into the snapshot.
        now: this machine's clock.

    Returns: None where the published snapshot has these already; its manifest then says until when it is current.
    Raises: NothingPublished where no account has a snapshot; MassDisappearance where a published account is not among
    them, unless that is accepted; DataRefused; ReferralsError when the disk is full.
    """
    import duckdb

    from referral_warehouse.warehouse.accounts.same_account import same_accounts
    from referral_warehouse.warehouse.accounts.union import build_union, connect_union
    from referral_warehouse.warehouse.build import prepare_draft_dir
    from referral_warehouse.warehouse.connection import draft_path
    from referral_warehouse.warehouse.database_errors import explain
    from referral_warehouse.warehouse.personal import hidden_in_database, personal_state
    from referral_warehouse.warehouse.publish import (
        Publication,
        complete,
        explained_failure,
        export_draft,
        switch_to_draft,
    )
    from referral_warehouse.warehouse.recovery import recover

    if not any(state.is_included for state in states):
        raise NothingPublished("Nothing is published of any account yet.", "Run `referrals sync`.")
    if not accept_deletions:
        _refuse_lost_accounts(together, states)
    with explained_failure():
        recovery = recover(together)
        if not recovery.done and _is_current(together, states):
            return None
        problems = [*recovery.problems, *prepare_draft_dir(together)]
        connection = connect_union(together)
        try:
            build_union(connection, states, hidden_in_database(together))
            problems += same_accounts(connection)
            feeds, failed = export_draft(together, connection, companions)
        except duckdb.Error as error:
            raise explain(error, "The accounts could not be published together") from error
        finally:
            connection.close()
        origin = origin_of(states, iso_utc(now()), personal_state(together))
        number, path, manifest = switch_to_draft(together, draft_path(together), origin, feeds)
    problems += [*failed, *map(_lost, (state for state in states if state.common is not None))]
    problems += complete(together, number, manifest)
    return Publication(number, path, manifest, [], tuple(dict.fromkeys(problems)), tuple(recovery.done))


def _refuse_lost_accounts(together: Settings, states: Sequence[AccountState]) -> None:
    """Raises: MassDisappearance where rows of an account are published that would not be any more."""
    included = {state.account for state in states if state.is_included}
    lost = sorted(account for account, entry in published_accounts(together).items() if entry.get("snapshot"))
    if lost := [account for account in lost if account not in included]:
        raise MassDisappearance(
            f"These accounts are published, but not in the settings: {', '.join(lost)}.",
            "If they are not to be published any more, run `referrals publish --accept-deletions`. If not, correct the "
            "settings.",
        )


def _lost(state: AccountState) -> str:
    return (
        f"the data of the account {state.account} is lost or damaged, and is published as it was before: put its "
        "directory back or restore a backup"
    )


def published_accounts(together: Settings) -> dict[str, Any]:
    """The accounts in the manifest of the published snapshot, by name; none where they were not published together."""
    from referral_warehouse.warehouse.published import published_manifest

    return entries_of(published_manifest(together) or {})


def _is_current(together: Settings, states: Sequence[AccountState]) -> bool:
    """Whether the published snapshot has these states; then the public manifest gets their times."""
    from referral_warehouse.warehouse.manifest import SCHEMA_VERSION, read_manifest, write_manifest
    from referral_warehouse.warehouse.personal import personal_state
    from referral_warehouse.warehouse.published_files import is_untouched
    from referral_warehouse.warehouse.snapshots import access_of

    manifest, number = read_manifest(together.manifest_path), current_number(together.published_dir)
    if manifest is None or number is None or manifest["snapshot"] != number:
        return False
    entries = {state.account: state.entry for state in states}
    if _lasting(published_accounts(together)) != _lasting(entries):
        return False
    if (
        manifest.get("schema_version") != SCHEMA_VERSION
        or manifest.get("personal_columns") != personal_state(together)
        or not is_untouched(together, manifest)
    ):
        return False
    current = {**manifest, "current_at": current_at_of(states), "accounts": entries}
    write_manifest(together.manifest_path, current, access_of(together))
    return True


def _lasting(entries: dict[str, Any]) -> dict[str, Any]:
    """The entries of accounts without the times that change although nothing is published."""
    return {
        account: {key: value for key, value in entry.items() if key != "current_at"}
        for account, entry in entries.items()
    }
