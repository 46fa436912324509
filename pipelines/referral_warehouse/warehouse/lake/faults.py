"""Turns errors of DuckDB, the catalog and the bucket into errors of this program, which say in one line what to do.

DuckDB's exceptions describe errors only in text, so this is the one module that matches their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from referral_warehouse.display_text import one_line
from referral_warehouse.errors import ConfigurationError, LakeUnavailable, ReferralsError
from referral_warehouse.redaction import redact
from referral_warehouse.workspace.disk_space import disk_full_error
from referral_warehouse.workspace.file_locks import is_lock_refused

if TYPE_CHECKING:
    from referral_warehouse.settings import Settings

CATALOG, DATA = "WAREHOUSE__LAKE_CATALOG", "WAREHOUSE__LAKE_DATA"
REASON = re.compile(
    r"connection to server .*|could not translate host name .*|Cannot open file .*|Unable to open database .*"
    r"|The file .*|Could not set lock .*|file is not a database.*",
    re.DOTALL,
)
"""Where the reason begins; the text before it repeats the address."""

NEXT: tuple[tuple[str, str], ...] = (
    (
        r"password authentication failed|no password supplied|role .* does not exist|database .* does not exist"
        r"|permission denied for|pg_hba\.conf",
        f"Correct {CATALOG} (user, password, database), or grant the user the missing right.",
    ),
    (r"could not translate host name", f"Correct the host in {CATALOG}."),
    (
        r"catalog version|only supports reading DuckLake",
        "Use the version of referral-warehouse that wrote this lake, or another catalog.",
    ),
    (r"does not match existing data path", f"Set {DATA} to the place that the catalog names, or use another catalog."),
    (r"not a database|not a valid DuckDB", f"Set {CATALOG} to another file, or restore this one from a backup."),
    (
        r"Permission denied|readonly database|read-only mode|Read-only file system",
        f"Give this user the right to write {CATALOG} and {DATA}, with the folder of a catalog that is a file.",
    ),
    (
        r"Cannot open file|unable to open database file",
        f"Set {CATALOG} to a file in a folder that exists and that this user may write.",
    ),
    (
        r"NoSuchBucket|HTTP 404|\(404",
        f"Create the bucket, or correct {DATA}; for a server other than Amazon's, set AWS_ENDPOINT_URL.",
    ),
    (
        r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|HTTP 40[13]|\(40[13]|Authentication Failure",
        "Correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give them rights on the bucket.",
    ),
)
"""Text in the reason → the next step. These are faults of the configuration, so that a retry does not help."""
LOST_FILE = re.compile(r"Cannot open file \"[^\"]*\.parquet\"|\.parquet.{0,40}\b404\b")
LOST_DATA = (
    f"Make the files in {DATA} available again: its disk may not be connected, or this user may not read them. If they "
    f"are lost, set {CATALOG} and {DATA} to a new catalog and an empty place and run `referrals migrate --to ducklake`."
)
"""The next step where a file of the data cannot be opened. A retry may help: a disk may become available again."""


class LakeInUse(LakeUnavailable):
    """A file of DuckDB is the catalog, and another process has it open."""

    next_step = (
        "Close the file in the other processes. For several processes at once, use a catalog in PostgreSQL or an "
        "SQLite file."
    )


def lake_error(error: BaseException, settings: Settings, what: str) -> ReferralsError:
    """The error of this program for one of DuckDB. ``what`` begins the message, as in ``The lake cannot be opened``."""
    text = redact(str(error)).strip()
    found = REASON.search(text)
    reason = one_line(found[0] if found else text.partition("\n")[0], 300).rstrip(".")
    message = f"{what} ({settings.lake_catalog}; data in {settings.lake_data}): {reason}."
    if full := disk_full_error(error, what):
        return full
    if is_lock_refused(error) or "database is locked" in text:
        return LakeInUse(message)
    if LOST_FILE.search(text):
        return LakeUnavailable(message, LOST_DATA)
    for words, next_step in NEXT:
        if re.search(words, text):
            return ConfigurationError(message, next_step)
    return LakeUnavailable(message)


@contextmanager
def explained(settings: Settings, what: str) -> Iterator[None]:
    """Turn errors of DuckDB inside a ``with`` into errors of this program.

    Raises: ConfigurationError, LakeUnavailable, DiskFull.
    """
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise lake_error(error, settings, what) from error
