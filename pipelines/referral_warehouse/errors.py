"""The error tree: what can go wrong, the exit code of each kind and what to do next.

::

    ReferralsError                    exit 1
    ├── ConfigurationError            exit 2   settings or usage: nothing was done
    │   └── LimitReached                       the system gives the process too little memory, files or threads
    ├── AuthenticationError           exit 3   401, or 403 of the plan: the token is not accepted
    ├── ApiError                      exit 4   try later: nothing was lost
    │   ├── ApiUnavailable                     network, timeouts, 5xx, unreadable answers, retries used up
    │   ├── BudgetExhausted                    the calls of this minute are taken by others
    │   └── RequestRefused                     400/404/405/406/410/422: the API will not answer this question
    ├── DataRefused                   exit 5   what came in must not be published
    │   ├── BadEnvelope                        an answer whose shape is not the documented one
    │   ├── IncompleteWalk                     a list that would not hold still or contradicts itself
    │   ├── FilterIgnored                      rows outside the filter: the server did not honour it
    │   ├── ChecksFailed                       a fail_ check found rows
    │   ├── HistoryLost                        the load file knows less of the past than what is published
    │   ├── AnotherAccount                     the token belongs to another account than the directory
    │   ├── MassDisappearance                  more records are gone than the set share
    │   ├── LoadFileDamaged                    the load file cannot be read
    │   └── SnapshotDamaged                    the published snapshot cannot be read
    ├── NoRoom                        exit 1   the disk (or a quota) is full: what was committed is kept
    ├── ProtectiveStop                exit 6   strikes or a block: going on would endanger the customer's address
    └── AnotherSyncRunning            exit 75  the lock is taken

This room knows nothing of HTTP, dlt or DuckDB. Every error carries what happened (``message``), what became of the data
(``kept``) and what to do (``next_step``); the command line prints the three in one line.
"""

from __future__ import annotations

from collections.abc import Iterator

from referral_warehouse.display_text import LINE_COLUMNS, one_line


class ReferralsError(Exception):
    """Base of all foreseeable errors.

    Args: ``message`` says what happened, and to which stream and page; ``next_step`` overrides the class's general
    advice. ``kept`` says what became of the data; it holds for every error of a class.
    """

    exit_code = 1
    kept = "What was committed is kept."
    next_step = "Run the same command with --verbose and report what it prints."

    def __init__(self, message: str, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if next_step is not None:
            self.next_step = next_step

    def __str__(self) -> str:
        message, next_step = (one_line(text, LINE_COLUMNS) for text in (self.message, self.next_step))
        return f"{message} {self.kept} Next: {next_step}"


class ConfigurationError(ReferralsError):
    """A setting or an argument is missing or wrong; nothing was done."""

    exit_code = 2
    kept = "What was there before is untouched."
    next_step = "Correct the setting named above; docs/settings.md lists them all."


class LimitReached(ConfigurationError):
    """The operating system gives the process too little memory, stack, files or threads."""

    kept = "What was committed and the last published snapshot are kept."
    next_step = (
        "Give the process more memory, open files and threads (`ulimit -a` lists its limits) and run the same command "
        "again."
    )


class AuthenticationError(ReferralsError):
    """The API does not accept the token (401), or the account's plan has no API (403)."""

    exit_code = 3
    next_step = (
        "Copy the current token from Settings > API of the account (a new one invalidates the old) into "
        "SOURCES__REFERRAL_FACTORY__API_TOKEN and run `referrals check`."
    )


class ApiError(ReferralsError):
    """The API could not answer now; nothing was lost."""

    exit_code = 4
    next_step = "Run the same command again later: it continues from what was committed."


class ApiUnavailable(ApiError):
    """Network errors, timeouts, 5xx or unreadable answers, after all retries.

    Attributes: ``status`` is the HTTP status of the last response where the status was the failure; None where no
    response arrived, or one that could not be read.
    """

    def __init__(self, message: str, next_step: str | None = None, *, status: int | None = None) -> None:
        super().__init__(message, next_step)
        self.status = status


class BudgetExhausted(ApiError):
    """The calls a minute are taken, by us or by others who share the token."""

    next_step = "Wait a minute and run again, or lower SOURCES__REFERRAL_FACTORY__CALLS_PER_MINUTE."


class RequestRefused(ApiError):
    """The API answered 400/404/405/406/410/422: it will not answer this question as asked.

    Attributes: ``status`` is the HTTP status, so that callers may fall back to another way of asking.
    """

    next_step = "Run `referrals check` to see what this account's API honours, and check the base URL."

    def __init__(self, message: str, status: int, next_step: str | None = None) -> None:
        super().__init__(message, next_step)
        self.status = status


class DataRefused(ReferralsError):
    """What came in must not be published; the last published snapshot stays."""

    exit_code = 5
    kept = "The last published snapshot is untouched."
    next_step = "Run `referrals check`; if it finds nothing odd, run the same command again."


class BadEnvelope(DataRefused):
    """An answer whose shape is not the documented one (no ``data``, contradictory ``meta``, missing fields)."""


class IncompleteWalk(DataRefused):
    """A list that would not hold still, or whose pages contradict its own total."""

    next_step = "Run again when the account is quieter; nothing of the incomplete list was loaded."


class FilterIgnored(DataRefused):
    """Rows outside the filter that was asked for: the server ignored it. The loader walks the whole list instead."""

    next_step = "Run `referrals check` to see which filters this account's API honours."


class ChecksFailed(DataRefused):
    """A ``fail_`` check found rows: the draft stays a draft."""


class HistoryLost(DataRefused):
    """The load file knows less of the past than what is published: it was lost, damaged, or is an older copy."""

    kept = "Nothing was published: the last snapshot and what was read are kept."
    next_step = (
        "Restore load.duckdb from a backup and sync again. If there is none, run the same command with "
        "--accept-shorter-history: the liability history then begins anew; old snapshots keep theirs."
    )


class AnotherAccount(DataRefused):
    """The API answers for another account than the one whose data the directory holds."""

    kept = "No row was written: the load file and the last published snapshot are untouched."
    next_step = (
        "Correct the token, or set WAREHOUSE__DIR to another directory: each account has its own. If this directory is "
        "to hold the account of this token from now on, run the same command with --accept-account."
    )


class MassDisappearance(DataRefused):
    """More of a stream's records are gone at once than the set share: an empty answer, or a large deletion."""

    kept = "Nothing was published: the last snapshot is untouched."
    next_step = (
        "Check in the account whether they are gone, and with `referrals check` what the API answers. If they were "
        "deleted on purpose, run the same command with --accept-deletions; if not, sync again once the API answers "
        "rightly: what is there again loses its tombstone."
    )


class LoadFileDamaged(DataRefused):
    """The load file is no database, or parts of it cannot be read."""

    kept = "The file and the last published snapshot are untouched."
    next_step = (
        "Restore load.duckdb from a backup. Without one, move it away and run `referrals sync "
        "--accept-shorter-history`: it is rebuilt from the API, and the history of rewards due begins anew."
    )


class SnapshotDamaged(DataRefused):
    """The published snapshot is no database, or is not there any more; the load file can rebuild it."""

    kept = "The load file and older snapshots are untouched."
    next_step = "Run `referrals publish` (or `referrals sync`): it is made anew from the load file."


class NoRoom(ReferralsError):
    """The disk or a quota is full, or a file may not grow: the step was not done."""

    kept = "What was committed and the last published snapshot are kept."
    next_step = "Free disk space and run the same command again: it goes on from what was committed."


class ProtectiveStop(ReferralsError):
    """Too many 429s, or the address is blocked: going on would block the customer's production too."""

    exit_code = 6
    next_step = (
        "Slow down or stop whatever else uses the token, and wait; `referrals strikes` says until when. Only when the "
        "cause is mended: `referrals strikes --forgive`. One abuse too many blocks the address for 7 days."
    )


class AnotherSyncRunning(ReferralsError):
    """Another process holds the lock of this warehouse directory; nothing was touched."""

    exit_code = 75
    kept = "Nothing was touched."
    next_step = "Let the other one finish; a lock of a dead process frees itself."


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, each once: libraries that raise an earlier error again make the chain a circle."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
