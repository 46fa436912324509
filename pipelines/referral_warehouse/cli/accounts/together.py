"""Syncs and publishes several accounts together: an account that fails is published with its last data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from referral_warehouse.cli.accounts.children import BUSY, AccountRun, Children
from referral_warehouse.cli.output import warn, work_is_done
from referral_warehouse.cli.recorded_run import CurrentRun, recorded_run
from referral_warehouse.errors import AccountsFailed, AnotherSyncRunning
from referral_warehouse.events import log_stage
from referral_warehouse.settings import Settings
from referral_warehouse.settings.model import accounts_of
from referral_warehouse.workspace.current_snapshot import public_database

if TYPE_CHECKING:
    from referral_warehouse.warehouse.publish import Publication


def sync_together(
    settings: Settings, options: Sequence[str], streams: list[str], *, as_json: bool, accept_deletions: bool
) -> None:
    """Sync every account, then publish all together.

    Args: ``options`` are those of ``referrals sync`` for each account; ``streams`` are the requested ones.
    Raises: AccountsFailed where one failed, after the others were published; ConfigurationError; AnotherSyncRunning.
    """
    from referral_warehouse.cli.console import say, say_json

    shared = click.get_current_context().ensure_object(dict)
    if shared.get("verbose"):
        options = [*options, "--verbose"]
    if log_format := shared.get("log_format"):
        options = [*options, "--log-format", log_format]
    runs: list[AccountRun] = []
    publication: Publication | None = None
    is_published = False

    def report(found: AccountRun) -> None:
        if not as_json:
            say(_sentence(found))

    try:
        with recorded_run(settings, "sync", streams) as run:
            children = Children(options, log_format, settings.accounts_at_once, _write_line, report)
            runs += children.run(accounts_of(settings))
            run.numbers |= _numbers(runs)
            publication = publish_accounts(settings, run, runs, accept_deletions=accept_deletions)
            is_published = True
            if failed := [found for found in runs if found.is_failed]:
                raise _failure(failed, len(runs))
            work_is_done("All accounts are synced and published.")
    finally:  # also where some failed: the others are published
        if is_published and as_json:
            say_json(_summary(settings, runs, publication))
        for line in _lines(settings, publication) if is_published and not as_json else ():
            say(line)


def publish_accounts(
    settings: Settings, run: CurrentRun, runs: Sequence[AccountRun] = (), *, accept_deletions: bool = False
) -> Publication | None:
    """Publish what all accounts have published, as one snapshot, and deliver it to the lake and to destinations.

    Args: ``runs`` are the syncs that have just ended; of other accounts the last record counts.
    Returns: None where the published snapshot is current. Raises: as ``warehouse.accounts.publication``.
    """
    from referral_warehouse.cli.publication import bring_to_readers, describe_snapshot
    from referral_warehouse.cli.reporting import log_problems
    from referral_warehouse.warehouse.accounts.publication import publication_lock, publish_together
    from referral_warehouse.warehouse.accounts.states import account_state

    errors = {found.account: found.error for found in runs if found.exit_code != BUSY}
    log_stage("warehouse", "publish", {})
    with publication_lock(settings):
        states = [
            account_state(one, errors[one.account] if one.account in errors else _last_error(one))
            for one in accounts_of(settings)
        ]
        publication = publish_together(
            settings, states, accept_deletions=accept_deletions, companions=[describe_snapshot]
        )
        run.publication = publication
        if publication is not None:
            log_problems(publication.problems)
    bring_to_readers(settings, run.refuse_lost_lock)
    return publication


def republish_together(settings: Settings, *, as_json: bool, accept_deletions: bool) -> None:
    """``referrals publish`` of several accounts: publish what each has published."""
    from referral_warehouse.cli.console import say, say_json

    with recorded_run(settings, "publish") as run:
        publication = publish_accounts(settings, run, accept_deletions=accept_deletions)
        work_is_done("All accounts are published.")
    if as_json:
        say_json(_summary(settings, (), publication))
    for line in () if as_json else _lines(settings, publication):
        say(line)


def publish_after_one(settings: Settings) -> None:
    """Publish all accounts after one was synced or published alone, unless another process is publishing them."""
    try:
        with recorded_run(settings, "publish") as run:
            publish_accounts(settings, run)
    except AnotherSyncRunning:
        warn(
            "accounts",
            "all accounts are being synced now; this account's data is published together with theirs by that sync or "
            "the next one.",
        )


def _last_error(settings: Settings) -> str | None:
    """The class of the error of an account's last sync, from its records."""
    from referral_warehouse.operate.health import read_history
    from referral_warehouse.operate.recorder import utc_now

    failure = read_history(settings, utc_now())[0].last_failure
    return None if failure is None else failure.error or "Failed"


def _numbers(runs: Sequence[AccountRun]) -> dict[str, Any]:
    """The numbers of all runs together, as attributes of an outcome."""
    outcomes = [(found.account, found.outcome) for found in runs if found.outcome is not None]
    warnings = {
        f"{account}: {check}": count
        for account, outcome in outcomes
        for check, count in (outcome.warnings or {}).items()
    }
    return {
        "calls": sum(outcome.calls or 0 for _, outcome in outcomes),
        "rows": sum(outcome.rows or 0 for _, outcome in outcomes),
        "strikes": sum(outcome.strikes for _, outcome in outcomes),
        "warnings": warnings,
    }


def _sentence(found: AccountRun) -> str:
    if found.exit_code == BUSY:
        return f"{found.account}: another process is syncing this account; its last published data is used."
    if found.is_failed:
        return f"{found.account}: failed: {found.reason}"
    calls, rows = found.summary.get("calls", 0), found.summary.get("rows_written", 0)
    return f"{found.account}: {rows:,} rows written, {calls:,} calls, snapshot {found.summary.get('snapshot')}."


def _failure(failed: Sequence[AccountRun], count: int) -> AccountsFailed:
    reasons = " ".join(f"{found.account} (exit code {found.exit_code}): {found.reason}" for found in failed)
    steps = list(dict.fromkeys(found.next_step for found in failed if found.next_step))
    return AccountsFailed(
        f"{len(failed)} of {count} accounts could not be synced. {reasons}",
        " ".join(steps) or None,
        exit_code=failed[0].exit_code,
        checks=[
            f"{found.account}: {check}"
            for found in failed
            for check in (found.outcome.failed_checks if found.outcome is not None else ())
        ],
    )


def _summary(settings: Settings, runs: Sequence[AccountRun], publication: Publication | None) -> dict[str, Any]:
    from referral_warehouse.cli.reporting import publication_facts

    return {
        "accounts": {
            found.account: {
                "exit_code": found.exit_code, "error": found.error, "reason": found.reason if found.is_failed else None,
                **found.summary,
            }
            for found in runs
        },
        **publication_facts(settings, publication),
    }  # fmt: skip


def _lines(settings: Settings, publication: Publication | None) -> list[str]:
    if publication is None:
        return ["Nothing new: the published snapshot of all accounts is still current."]
    found = publication.manifest["accounts"]
    included = ", ".join(name for name, entry in found.items() if entry["snapshot"] is not None)
    lines = [f"Snapshot {publication.snapshot} of {included} published: {public_database(settings.published_dir)}"]
    for name, entry in found.items():
        if entry["snapshot"] is None:
            lines.append(f"{name} is not published: no sync of it has succeeded yet.")
        elif entry["failure"] is not None:
            lines.append(f"{name} is published with its last data, as of {entry['synced_at']}.")
    return lines


def _write_line(text: str) -> None:
    click.echo(text, err=True)
