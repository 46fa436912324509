"""The error tree: all foreseeable errors, their exit codes and their advice.

::

    ReferralsError                    exit 1
    ├── ConfigurationError            exit 2   settings or usage: nothing was done
    │   └── LimitReached                       the system gives the process too little memory, files or threads
    ├── AuthenticationError           exit 3   401 or 402: the token is not accepted; 403: the plan has no API
    ├── ApiError                      exit 4   try later: nothing was lost
    │   ├── ApiUnavailable                     network, timeouts, 5xx, unreadable responses, after all retries
    │   ├── BudgetExhausted                    no call may be sent for longer than a run waits
    │   └── RequestRefused                     other 4xx, or a redirect: the API refuses the request
    ├── NothingPublished              exit 4   there is no snapshot to read yet
    ├── LakeUnavailable               exit 4   the catalog or the data of the lake cannot be reached
    ├── DestinationUnavailable        exit 4   a destination of deliveries cannot be reached, or refuses something
    ├── DataRefused                   exit 5   invalid data; publication refused
    │   ├── BadEnvelope                        a response whose shape is not the documented one
    │   ├── IncompleteList                     a list that changed while it was read, or contradicts itself
    │   ├── FilterIgnored                      rows outside the filter: the server did not apply it
    │   ├── ChecksFailed                       a fail_ check found rows
    │   ├── HistoryLost                        the load file has less history than the published data
    │   ├── AnotherAccount                     the token belongs to another account than the directory
    │   ├── MassDisappearance                  more records are gone than the configured share
    │   ├── LoadFileDamaged                    the load file cannot be read
    │   ├── SnapshotDamaged                    the published snapshot cannot be read
    │   └── BackupDamaged                      a backup, or a file to be backed up, cannot be read as it was written
    ├── DiskFull                      exit 1   the disk (or a quota) is full: committed data is kept
    ├── ProtectiveStop                exit 6   rate-limit violations or a block: more calls could block the address
    ├── AccountsFailed                         the exit code of the first of several accounts that could not be synced
    └── AnotherSyncRunning            exit 75  another process has the lock

Knows nothing of HTTP, dlt or DuckDB. Every error has what happened (``message``), the state of the data (``kept``) and
what to do (``next_step``); the command line prints the three in one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from referral_warehouse.display_text import LINE_COLUMNS, one_line


class ReferralsError(Exception):
    """Base of all foreseeable errors.

    Args: ``message`` says what happened, and to which stream and page; ``next_step`` overrides the class's general
    advice. ``kept`` is the state of the data, the same for every error of a class.
    """

    exit_code = 1
    kept = "Committed data is kept."
    next_step = "Run the same command with --verbose and report its output."

    def __init__(self, message: str, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if next_step is not None:
            self.next_step = next_step

    @property
    def advice(self) -> str:
        """What happened and what to do, for a warning of a run that goes on."""
        return f"{self.message} {self.next_step}"

    def __str__(self) -> str:
        message, next_step = (one_line(text, LINE_COLUMNS) for text in (self.message, self.next_step))
        return f"{message} {self.kept} Next: {next_step}"


class ConfigurationError(ReferralsError):
    """A setting or an argument is missing or wrong; nothing was done."""

    exit_code = 2
    kept = "Nothing was changed."
    next_step = "Correct the setting named above; docs/settings.md lists all settings."


class LimitReached(ConfigurationError):
    """The operating system gives the process too little memory, stack, files or threads."""

    kept = "Committed data and the last published snapshot are kept."
    next_step = (
        "Give the process more memory, open files and threads (`ulimit -a` lists its limits) and run the same command "
        "again."
    )


class AuthenticationError(ReferralsError):
    """The API does not accept the token (401, 402), or the account's plan has no API (403)."""

    exit_code = 3
    next_step = (
        "Copy the current token from Settings > API of the account (a new one invalidates the old) into "
        "SOURCES__REFERRAL_FACTORY__API_TOKEN and run `referrals check`."
    )


class ApiError(ReferralsError):
    """The API is not available now; nothing was lost."""

    exit_code = 4
    next_step = "Run the same command again later: it continues from the committed data."


class ApiUnavailable(ApiError):
    """Network errors, timeouts, 5xx or unreadable responses, after all retries.

    Attributes: ``status`` is the HTTP status of the last response where the status is the failure; None where no
    response arrived, or an unreadable one.
    """

    def __init__(self, message: str, next_step: str | None = None, *, status: int | None = None) -> None:
        super().__init__(message, next_step)
        self.status = status


class BudgetExhausted(ApiError):
    """No call may be sent for longer than a run waits: the calls of each minute are used, or calls are paused."""

    next_step = "Wait a minute and run again, or lower SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE."


class NothingPublished(ReferralsError):
    """There is no snapshot to read yet."""

    exit_code = 4
    kept = "Nothing was changed."
    next_step = "Run `referrals sync`, or `referrals demo` for a simulated account."


class LakeUnavailable(ReferralsError):
    """The catalog or the data of the lake cannot be reached, or refuses an operation."""

    exit_code = 4
    kept = "Nothing was touched."
    next_step = "Check WAREHOUSE__LAKE_CATALOG and WAREHOUSE__LAKE_DATA, and run the same command again."


class DestinationUnavailable(ReferralsError):
    """A destination that tables are delivered to cannot be reached, or refuses an operation."""

    exit_code = 4
    kept = "What readers have there is untouched."
    next_step = "Run `referrals deliver` again later; the next sync tries again too, where it delivers."


class RequestRefused(ApiError):
    """The API refused a request (4xx that is neither retried nor about the token), or redirected it.

    Attributes: ``status`` is the HTTP status, so that callers may send another request instead.
    """

    next_step = "Run `referrals check` to see what this account's API supports, and check the base URL."

    def __init__(self, message: str, status: int, next_step: str | None = None) -> None:
        super().__init__(message, next_step)
        self.status = status


class DataRefused(ReferralsError):
    """Invalid data; publication is refused and the last published snapshot stays."""

    exit_code = 5
    kept = "The last published snapshot is untouched."
    next_step = "Run `referrals check`; if it finds no problem, run the same command again."


class BadEnvelope(DataRefused):
    """A response whose shape is not the documented one (no ``data``, contradictory ``meta``, missing fields)."""


class IncompleteList(DataRefused):
    """A list that changed while it was read, or whose pages contradict its own total."""

    next_step = "Run again when fewer changes are made in the account; nothing of the incomplete list was loaded."


class FilterIgnored(DataRefused):
    """Rows outside the requested filter: the server ignored it. The loader reads the whole list instead."""

    next_step = "Run `referrals check` to see which filters this account's API supports."


class ChecksFailed(DataRefused):
    """A ``fail_`` check found rows: the draft is not published.

    Attributes: ``checks`` are the names of the checks that found rows.
    """

    def __init__(self, message: str, next_step: str | None = None, *, checks: Iterable[str] = ()) -> None:
        super().__init__(message, next_step)
        self.checks = tuple(checks)


class HistoryLost(DataRefused):
    """The load file has less history than the published data: it was lost, damaged, or is an older copy."""

    kept = "Nothing was published: the last snapshot and the loaded data are kept."
    next_step = (
        "Restore load.duckdb from a backup (`referrals restore DIR --replace`) and sync again. If there is none, "
        "run the same command with --accept-shorter-history: the liability history then starts again; old snapshots "
        "keep theirs."
    )


class AnotherAccount(DataRefused):
    """The token belongs to another account than the data in the directory."""

    kept = "No row was written. The load file and the last published snapshot are untouched."
    next_step = (
        "Correct the token. To keep both accounts, give each a section [accounts.<name>] (docs/accounts.md). To "
        "replace the data in this directory with the account of this token, run the same command with --accept-account."
    )


class MassDisappearance(DataRefused):
    """More of a stream's records are gone at once than the configured share: an empty response, or a large deletion."""

    kept = "Nothing was published: the last snapshot is untouched."
    next_step = (
        "Check in the account whether the records were deleted, and run `referrals check`. If they were deleted, run "
        "the same command with --accept-deletions. If not, sync again once the API returns them: their tombstones are "
        "then removed."
    )


class LoadFileDamaged(DataRefused):
    """The load file is not a database, or parts of it cannot be read."""

    kept = "The file and the last published snapshot are untouched."
    next_step = (
        "Restore load.duckdb from a backup (`referrals restore DIR --replace`). Without one, move it away and "
        "run `referrals sync --accept-shorter-history`: it is rebuilt from the API, and the history of rewards "
        "due starts again."
    )


class SnapshotDamaged(DataRefused):
    """The published snapshot is damaged or missing; the load file can rebuild it."""

    kept = "The load file and older snapshots are untouched."
    next_step = "Run `referrals publish` (or `referrals sync`) to rebuild it from the load file."


class BackupDamaged(DataRefused):
    """A backup is not as it was written, or a file that was to be backed up cannot be read."""

    kept = "Nothing was changed."
    next_step = "Use another backup: `referrals backup DIR --verify` reports which of them are intact."


class DiskFull(ReferralsError):
    """The disk or a quota is full, or a file reached its size limit: the step was not done."""

    kept = "Committed data and the last published snapshot are kept."
    next_step = "Free disk space and run the same command again: it continues from the committed data."


class ProtectiveStop(ReferralsError):
    """Too many rate-limit violations, or the address is blocked: more calls could block the customer's address."""

    exit_code = 6
    next_step = (
        "Slow down or stop other programs that use the token, and wait; `referrals strikes` shows until when. Only "
        "after the cause is removed: `referrals strikes --forgive`. Too many violations block the address for 7 days."
    )


class AccountsFailed(ReferralsError):
    """Some of several accounts could not be synced; the others were, and all are published with their last data.

    Attributes: ``exit_code`` is that of the first of them; ``checks`` are the checks that forbade publications.
    """

    kept = "All accounts that have data are published; committed data is kept."
    next_step = "Run `referrals status`, which shows each account."

    def __init__(
        self, message: str, next_step: str | None = None, *, exit_code: int = 1, checks: Iterable[str] = ()
    ) -> None:
        super().__init__(message, next_step)
        self.checks = tuple(checks)
        self.exit_code = exit_code if 0 < exit_code < 128 else 1


class AnotherSyncRunning(ReferralsError):
    """Another process holds the lock of this warehouse directory; nothing was touched."""

    exit_code = 75
    kept = "Nothing was touched."
    next_step = "Wait until the other process has finished; the lock of a killed process is released automatically."


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes, each once: the chain is circular where a library raises an earlier error again."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
