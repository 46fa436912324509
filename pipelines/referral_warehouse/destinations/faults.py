"""Turns errors of dlt and of database clients into errors of this program, which say in one line what to do.

Database clients describe errors only in text, so this is the one module that matches their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from referral_warehouse.destinations import configuration  # noqa: F401 - first: it imports dlt

# isort: split
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import InvalidDestinationReference, UnknownDestinationModule
from dlt.common.exceptions import MissingDependencyException

from referral_warehouse.destinations.own_files import OF_FILES
from referral_warehouse.destinations.tables import LOCKED
from referral_warehouse.display_text import one_line
from referral_warehouse.errors import ConfigurationError, DestinationUnavailable, ReferralsError, causes
from referral_warehouse.extras import install_step
from referral_warehouse.redaction import redact
from referral_warehouse.settings.destinations import SECTION
from referral_warehouse.settings.sources import variable
from referral_warehouse.workspace.disk_space import disk_full_error

if TYPE_CHECKING:
    from referral_warehouse.settings.destinations import DestinationValues

OWN_EXTRA = "postgres"
"""The destination whose client is an extra of this project; clients of other destinations are extras of dlt."""
PLACE = re.compile(r"connection to server .*?failed: (?:FATAL:\s+)?", re.DOTALL)
"""What the client of PostgreSQL writes before the reason."""
REFUSED = re.compile(
    r"password|authenticat|no pg_hba|role .* does not exist|(?:user|login) .* (?:denied|failed)|access denied"
    r"|permission denied|not authorized|unauthorized|must be owner|database .* does not exist|unknown database"
    r"|\b40[13]\b",
    re.IGNORECASE,
)
"""Reasons that are faults of the configuration, so that a retry does not help."""
DEPENDENT = re.compile(r"other objects depend on it")
REFERENCED = re.compile(r"violates foreign key constraint")
FILE = re.compile(r"not a valid DuckDB|Cannot open file|Could not read from file|Is a directory|Permission denied")
"""Faults of a destination that is a file."""
ENCODING = re.compile(r"has no equivalent in encoding|unsupported Unicode escape|not representable in")


def destination_error(error: BaseException, values: DestinationValues) -> ReferralsError:
    """The error of this program for one that dlt or a database client raised."""
    chain = list(causes(error))
    name = values.name
    for found in chain:
        if isinstance(found, ReferralsError):
            return found
    for found in chain:
        if isinstance(found, MissingDependencyException | ModuleNotFoundError):
            extra = f"Run: pip install 'dlt[{values.kind}]'"
            return ConfigurationError(
                f"The destination {name} needs a package that is not installed.",
                install_step(OWN_EXTRA) if values.kind == OWN_EXTRA else extra,
            )
        if isinstance(found, UnknownDestinationModule | InvalidDestinationReference):
            return ConfigurationError(
                f"The type of the destination {name} is not set, or dlt has no such type.",
                f"Set {variable((SECTION, name), 'destination_type')} to a type such as postgres; docs/delivering.md "
                "lists them.",
            )
        if isinstance(found, ConfigurationException):
            return ConfigurationError(
                f"The destination {name} is not configured: {_reason(found)}.",
                f"Set {variable((SECTION, name), 'credentials')}, or [{SECTION}.{name}.credentials] in "
                ".dlt/secrets.toml; docs/delivering.md has examples.",
            )
    reason = _reason(chain[-1])
    message = f"The tables cannot be delivered to {name}: {reason}."
    if full := disk_full_error(error, f"The tables cannot be delivered to {name}"):
        return full
    if DEPENDENT.search(reason):
        return ConfigurationError(
            message,
            "Drop the views there that use the column or the table, run the same command again, and create the views "
            "anew.",
        )
    if REFERENCED.search(reason):
        return ConfigurationError(
            message,
            "Drop the foreign keys there that refer to the tables of the dataset, and run the same command again: a "
            "delivery replaces rows.",
        )
    if ENCODING.search(reason):
        return ConfigurationError(
            message,
            f"Set {variable((SECTION, name), 'credentials')} to a database with the encoding UTF8: this one cannot "
            "hold the text.",
        )
    if values.kind in OF_FILES and FILE.search(reason):
        # a folder that does not exist may be on a disk that is not mounted at the moment
        kind = DestinationUnavailable if "No such file or directory" in reason else ConfigurationError
        return kind(
            message,
            f"Set {variable((SECTION, name), 'credentials')} to a DuckDB file, or a new name, in a folder that exists "
            "and that this user may write.",
        )
    if REFUSED.search(reason):
        return ConfigurationError(
            message,
            f"Correct {variable((SECTION, name), 'credentials')} (user, password, database), or grant the user the "
            "missing right there.",
        )
    if LOCKED in reason:
        return DestinationUnavailable(
            f"{message[:-1]}: a long query or transaction uses a table whose columns change, or has locked a table or "
            "rows.",
            "Wait for it or end it, and run `referrals deliver` again; the next sync tries again too.",
        )
    return DestinationUnavailable(message)


@contextmanager
def explained(values: DestinationValues) -> Iterator[None]:
    """Turn errors inside a ``with`` into errors of this program.

    Raises: ConfigurationError, DestinationUnavailable, DiskFull.
    """
    try:
        yield
    except Exception as error:
        explanation = destination_error(error, values)
        if explanation is error:
            raise
        raise explanation from None  # the errors of clients may repeat an address with its password


def _reason(error: BaseException) -> str:
    text = PLACE.sub("", redact(str(error)).strip())
    return one_line(text.partition("\n")[0] or type(error).__name__, 300).rstrip(".")
