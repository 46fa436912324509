"""The published rows of each account, and whether its last run succeeded: the input of a publication of all together.

They are those of the account's own snapshot. Where that is lost or damaged, they are its rows in the last snapshot of
all together, so that no account stops the publication of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from referral_warehouse.errors import HistoryLost, ReferralsError
from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.published_snapshot import PublishedSnapshot, published_snapshot
from referral_warehouse.workspace.current_snapshot import DATABASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from referral_warehouse.settings import Settings


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account.

    Attributes:
        account: its name.
        snapshot: its own published snapshot; None where nothing is published yet, or that is lost or damaged.
        current_at: when its rows were last found current, the server's time as ISO 8601.
        failure: the class of the error that ended its last run; None where that succeeded, or there was none.
        common: the snapshot of all together that has its last rows; None where its own snapshot is there.
    """

    account: str
    snapshot: PublishedSnapshot | None
    current_at: str | None = None
    failure: str | None = None
    common: PublishedSnapshot | None = None

    @property
    def is_included(self) -> bool:
        """Whether rows of the account are published."""
        return self.snapshot is not None or self.common is not None

    @property
    def waiting_changes(self) -> int:
        return 0 if self.snapshot is None else self.snapshot.manifest.get("waiting_changes") or 0

    @property
    def entry(self) -> dict[str, Any]:
        """The account in the manifest of all together."""
        if self.common is not None:
            return {**entries_of(self.common.manifest)[self.account], "failure": self.failure}
        manifest = {} if self.snapshot is None else self.snapshot.manifest
        return {
            "snapshot": None if self.snapshot is None else self.snapshot.number,
            "manifest_sha256": None if self.snapshot is None else self.snapshot.sha256,
            "synced_at": manifest.get("synced_at"),
            "current_at": self.current_at,
            "models_version": manifest.get("models_version"),
            "failure": self.failure,
        }


def account_state(settings: Settings, failure: str | None) -> AccountState:
    """The state of the account that settings are of.

    Args: ``failure`` is the class of the error that ended its last run; where its data is lost, ``HistoryLost`` counts.
    """
    try:
        snapshot = published_snapshot(settings)
        if snapshot is not None and _is_readable(snapshot):
            public = read_manifest(settings.manifest_path) or {}
            own = public if public.get("snapshot") == snapshot.number else snapshot.manifest
            return AccountState(settings.account, snapshot, own.get("current_at") or own.get("synced_at"), failure)
    except (ReferralsError, OSError):
        pass
    common = None if settings.together is None else published_snapshot(settings.together)
    entry = None if common is None else entries_of(common.manifest).get(settings.account)
    if not entry or entry.get("snapshot") is None:
        return AccountState(settings.account, None, None, failure)
    return AccountState(settings.account, None, entry.get("current_at"), HistoryLost.__name__, common)


def _is_readable(snapshot: PublishedSnapshot) -> bool:
    import duckdb

    try:
        duckdb.connect(str(snapshot.folder / DATABASE), read_only=True).close()
    except duckdb.Error:
        return False
    return True


def entries_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The accounts in a manifest, by name; none where they were not published together."""
    found = manifest.get("accounts")
    return found if isinstance(found, dict) and all(isinstance(entry, dict) for entry in found.values()) else {}


def origin_of(states: Sequence[AccountState], built_at: str, personal_columns: str) -> dict[str, Any]:
    """The origin of a publication of all together, for its manifest: its times are those of the oldest data.

    Args: ``built_at`` is this machine's time, as ISO 8601; ``personal_columns`` is what ``warehouse.personal`` says.
    """
    entries = [state.entry for state in states if state.is_included]
    versions = {str(entry.get("models_version")) for entry in entries}
    return {
        "synced_at": min((str(entry["synced_at"]) for entry in entries if entry.get("synced_at")), default=None),
        "built_at": built_at,
        "load_version": None,
        "models_version": versions.pop() if len(versions) == 1 else None,
        "waiting_changes": sum(state.waiting_changes for state in states),
        "reward_units": {},
        "unit_terms": {},
        "personal_columns": personal_columns,
        "streams": None,
        "accounts": {state.account: state.entry for state in states},
    }


def current_at_of(states: Sequence[AccountState]) -> str | None:
    """When all accounts were last found current: the oldest of their times."""
    times = [state.current_at for state in states if state.is_included and state.current_at is not None]
    return min(times, default=None)
