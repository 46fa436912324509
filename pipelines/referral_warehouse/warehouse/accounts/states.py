"""The published snapshot of each account, and whether its last run succeeded: the input of a publication of all
together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from referral_warehouse.warehouse.manifest import read_manifest
from referral_warehouse.warehouse.published_snapshot import PublishedSnapshot, published_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from referral_warehouse.settings import Settings


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account.

    Attributes:
        account: its name.
        snapshot: what is published of it; None where nothing is yet.
        current_at: when that was last found current, the server's time as ISO 8601.
        failure: the class of the error that ended its last run; None where that succeeded, or there was none.
    """

    account: str
    snapshot: PublishedSnapshot | None
    current_at: str | None = None
    failure: str | None = None

    @property
    def entry(self) -> dict[str, Any]:
        """The account in the manifest of all together."""
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
    """The state of the account that settings are of. Raises: ConfigurationError where its directory is damaged."""
    snapshot = published_snapshot(settings)
    current_at = None
    if snapshot is not None:
        public = read_manifest(settings.manifest_path) or {}
        own = public if public.get("snapshot") == snapshot.number else snapshot.manifest
        current_at = own.get("current_at") or own.get("synced_at")
    return AccountState(settings.account, snapshot, current_at, failure)


def origin_of(states: Sequence[AccountState], built_at: str, personal_columns: str) -> dict[str, Any]:
    """The origin of a publication of all together, for its manifest: its times are those of the oldest data.

    Args: ``built_at`` is this machine's time, as ISO 8601; ``personal_columns`` is what ``warehouse.personal`` says.
    """
    included = [state for state in states if state.snapshot is not None]
    manifests = [state.snapshot.manifest for state in included if state.snapshot is not None]
    versions = {str(manifest.get("models_version")) for manifest in manifests}
    return {
        "synced_at": min((str(m["synced_at"]) for m in manifests if m.get("synced_at")), default=None),
        "built_at": built_at,
        "load_version": None,
        "models_version": versions.pop() if len(versions) == 1 else None,
        "waiting_changes": sum(manifest.get("waiting_changes") or 0 for manifest in manifests),
        "reward_units": {},
        "unit_terms": {},
        "personal_columns": personal_columns,
        "streams": None,
        "accounts": {state.account: state.entry for state in states},
    }


def current_at_of(states: Sequence[AccountState]) -> str | None:
    """When all accounts were last found current: the oldest of their times."""
    times = [state.current_at for state in states if state.snapshot is not None and state.current_at is not None]
    return min(times, default=None)
