"""Publishes a draft: checks it, turns it into an immutable snapshot, and switches one link to it atomically.

A snapshot is a folder with the database, one feed per table and a manifest; none of them changes afterwards. Each step
leaves the directory in a state that the next run completes or cleans: until the link is switched, readers have the
complete old snapshot, afterwards the new one. On a file system without links the manifest is switched instead. Knows
neither models nor the meaning of numbers. One process publishes at a time; the caller holds the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referral_warehouse.errors import ConfigurationError, ReferralsError
from referral_warehouse.warehouse.connection import draft_dir, first_line, staged_dir
from referral_warehouse.warehouse.snapshots import access_of, freeze, next_number, retain
from referral_warehouse.workspace.current_snapshot import FEEDS, current_number, number_in_manifest
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.removal import reason, remove

if TYPE_CHECKING:
    import duckdb

    from referral_warehouse.settings import Settings
    from referral_warehouse.warehouse.build import BuildReport
    from referral_warehouse.warehouse.checks import CheckResult
    from referral_warehouse.warehouse.exports import Feed


Companion = Callable[["duckdb.DuckDBPyConnection", str, Path], None]
"""Writes a file of a snapshot: gets a connection, the name that the finished database is attached as, and a folder."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published. ``path`` is the snapshot's file; ``warnings`` are the warn_ checks that found rows.

    ``problems`` lists failures after the publication, such as those of cleaning up; the publication is valid.
    """

    snapshot: int
    path: Path
    manifest: dict[str, Any]
    warnings: list[CheckResult]
    problems: tuple[str, ...] = ()
    """Failures after the link was switched, and files that could not be removed."""
    recovered: tuple[str, ...] = ()
    """Damage in the directory, and its repair."""


def publish(
    settings: Settings,
    report: BuildReport,
    *,
    accept_shorter_history: bool = False,
    accept_deletions: bool = False,
    companions: Sequence[Companion] = (),
) -> Publication:
    """Check the draft of ``report``, make it the current snapshot with feeds and manifest, delete old snapshots.

    ``companions`` write further files into the snapshot; one that fails is among the problems.

    Raises: ChecksFailed when a fail_ check finds rows; HistoryLost when published history is missing and
    MassDisappearance when too many records are gone, unless that is accepted; ReferralsError when the disk is full.
    Until the link is switched, the earlier publication stays; afterwards nothing raises.
    """
    if not report.draft_path.is_file():
        raise ConfigurationError("There is no draft to publish.", "Run `referrals build` first.")
    with explained_failure():
        results, feeds, problems = check_and_export(settings, report, companions)
        compared = compare_history(
            settings, accept_shorter_history=accept_shorter_history, accept_deletions=accept_deletions
        )
        number, path, manifest = switch_to_draft(settings, report.draft_path, report.origin, feeds)
    problems = [*report.problems, *problems, *complete(settings, number, manifest)]
    warnings = [result for result in results if result.severity == "warn" and result.violations_count]
    return Publication(number, path, manifest, warnings, tuple(dict.fromkeys(problems)), (*report.recovered, *compared))


@contextmanager
def explained_failure() -> Iterator[None]:
    """Errors of the system that end a publication before the link is switched, as errors of this program.

    Raises: ReferralsError.
    """
    try:
        yield
    except OSError as error:
        raise disk_full_error(error, "The draft could not be published") or ReferralsError(
            f"The draft could not be published: {error}.",
            "Correct that and run the same command again; readers have a complete snapshot at any time.",
        ) from error


def switch_to_draft(
    settings: Settings, draft: Path, origin: Mapping[str, Any], feeds: list[Feed]
) -> tuple[int, Path, dict[str, Any]]:
    """Make a draft, with what is staged beside it, the published snapshot; ``complete`` comes next.

    Returns: its number, its database and its manifest. Raises: OSError, ConfigurationError; nothing is published then.
    """
    from referral_warehouse.warehouse.manifest import manifest_of, write_manifest
    from referral_warehouse.warehouse.public_names import switch_link

    published = settings.published_dir
    number = next_number(settings, max(number_in_manifest(published) or 0, current_number(published) or 0))
    path = freeze(settings, draft, staged_dir(settings), number)
    manifest = manifest_of(number, origin, feeds)
    write_manifest(path.parent / "manifest.json", manifest, access_of(settings), is_frozen=True)
    if not switch_link(settings, number):
        write_manifest(settings.manifest_path, manifest, access_of(settings))
    return number, path, manifest


def complete(settings: Settings, number: int, manifest: dict[str, Any]) -> list[str]:
    """The steps after the link is switched. Returns: descriptions of failures."""
    from referral_warehouse.warehouse.public_names import announce

    problems: list[str] = []
    try:
        problems += announce(settings, number, manifest)
    except (OSError, ValueError) as error:
        problems.append(
            f"snapshot {number} is published, but the feeds and the manifest are not yet its own ({reason(error)}); "
            "the next sync completes them"
        )
    try:
        problems += retain(settings, number)
    except OSError as error:
        problems.append(f"old snapshots could not be removed ({reason(error)})")
    if problem := remove(draft_dir(settings)):
        problems.append(problem)
    return problems


def check_and_export(
    settings: Settings, report: BuildReport, companions: Sequence[Companion]
) -> tuple[list[CheckResult], list[Feed], list[str]]:
    """Run the checks on the draft, write their results into it, and write feeds and companions to a separate folder.

    Returns: the results, the feeds, and which companions failed. Raises: ChecksFailed; the draft then stays for
    inspection.
    """
    import duckdb

    from referral_warehouse.warehouse.checks import record_results, refuse_failures, run_checks
    from referral_warehouse.warehouse.connection import connect_draft, load_version
    from referral_warehouse.warehouse.models import load_checks

    connection = connect_draft(settings)
    try:
        if load_version(connection) != report.load_version:
            raise ConfigurationError(
                "The load file has changed since the draft was built.", "Run `referrals build` again."
            )
        results = run_checks(connection, load_checks())
        record_results(connection, results, report.built_at)
        refuse_failures(results)
        feeds, problems = export_draft(settings, connection, companions)
    except duckdb.IOException as error:
        raise OSError(str(error).splitlines()[0]) from error
    finally:
        connection.close()
    return results, feeds, problems


def export_draft(
    settings: Settings, connection: duckdb.DuckDBPyConnection, companions: Sequence[Companion]
) -> tuple[list[Feed], list[str]]:
    """Write the feeds and the companions of a finished draft to a separate folder, and end the draft's changes.

    Args: ``connection`` has the draft attached as ``draft``.
    Returns: the feeds, and which companions failed. Raises: OSError, DuckDB's errors.
    """
    from referral_warehouse.warehouse.exports import write_feeds
    from referral_warehouse.warehouse.personal import hidden_in_feeds

    staged = staged_dir(settings)
    remove(staged)
    (staged / FEEDS).mkdir(mode=0o700, parents=True, exist_ok=True)
    feeds = write_feeds(connection, "draft", staged / FEEDS, hidden_in_feeds(settings))
    problems = [text for write in companions if (text := _failure(write, connection, staged)) is not None]
    connection.execute("checkpoint draft")
    return feeds, problems


def _failure(write: Companion, connection: duckdb.DuckDBPyConnection, folder: Path) -> str | None:
    """Write a companion. Returns: why it could not be written; the snapshot is complete without it."""
    try:
        write(connection, "draft", folder)
    except Exception as error:
        return f"a file of the snapshot could not be written ({first_line(error)})"
    return None


def compare_history(settings: Settings, *, accept_shorter_history: bool, accept_deletions: bool) -> list[str]:
    """Compare the draft with the published data, except for differences that are accepted.

    Returns: where the published snapshot cannot be read, a description of what the draft was compared with instead.
    Raises: HistoryLost, MassDisappearance; the draft then stays for inspection.
    """
    from referral_warehouse.warehouse.deletion_guard import refuse_mass_disappearance
    from referral_warehouse.warehouse.history_guard import refuse_shorter_history
    from referral_warehouse.warehouse.published import compare_with_published

    def compare(connection: duckdb.DuckDBPyConnection) -> None:
        if not accept_shorter_history:
            refuse_shorter_history(connection)
        if not accept_deletions:
            refuse_mass_disappearance(connection, settings.max_vanished_percent)

    return [] if accept_shorter_history and accept_deletions else compare_with_published(settings, compare)
