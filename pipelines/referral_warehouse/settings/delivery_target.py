"""A folder, or a bucket of S3 with a prefix: where feeds are delivered, and where a lake has its data.

A user may have written a password into an address, so no message repeats it. Reads and opens nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings.sources import Found, Place
from referral_warehouse.settings.values import path_text
from referral_warehouse.workspace.directories import warehouse_directory

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/.*", re.DOTALL)
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
PREFIX = re.compile(r"(?:/[A-Za-z0-9!_*'()=+,.-]+)*")
LONGEST_PREFIX = 800
"""A key of S3 has at most 1,024 bytes; the rest is for the names of the files."""


@dataclass(frozen=True, slots=True)
class DeliveryTarget:
    """A folder, or else a bucket and a prefix in it, which is empty or has no slash at its ends."""

    folder: Path | None = None
    bucket: str = ""
    prefix: str = ""

    @property
    def is_remote(self) -> bool:
        return self.folder is None

    def __str__(self) -> str:
        return str(self.folder) if self.folder is not None else f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, slots=True)
class FolderOrBucket:
    """The kind of a setting that is a path, or ``s3://bucket/prefix``."""

    default: None = None
    limits: str = ""

    def read(self, name: str, found: Found, folder: Path | None) -> DeliveryTarget:
        """The target. Raises: ConfigurationError when it is an address of another kind, or has more than a prefix."""
        value = path_text(name, found.value)
        if not ADDRESS.fullmatch(value):
            return DeliveryTarget(warehouse_directory(name, value, folder, found.given))
        scheme, _, rest = value.partition("://")
        host, slash, path = rest.partition("/")
        if "@" in host:
            raise ConfigurationError(
                f"{name} must not contain a user name or password.",
                "Give credentials as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or as a profile (AWS_PROFILE).",
            )
        prefix = slash + path.rstrip("/")
        if scheme != "s3" or not BUCKET.fullmatch(host):
            raise ConfigurationError(
                f"{name} must be the path of a folder, or s3:// and the name of a bucket.",
                "Write it as in s3://bucket/prefix; the address of another server than Amazon's belongs into "
                "AWS_ENDPOINT_URL.",
            )
        parts = prefix.split("/")
        if not PREFIX.fullmatch(prefix.rstrip("/")) or {".", ".."} & set(parts) or len(prefix) > LONGEST_PREFIX:
            raise ConfigurationError(
                f"{name} has a prefix after the bucket that cannot be used: it may have letters, digits, dots, dashes, "
                f"underscores and single slashes, and {LONGEST_PREFIX} characters at most.",
                "Write it as in s3://bucket/prefix.",
            )
        return DeliveryTarget(bucket=host, prefix=prefix.strip("/"))


def refuse_redirected_data(token_place: Place, name: str, target: str, place: Place) -> None:
    """Refuse a place for published data that only a file of the working directory names.

    Published data is personal, so it leaves the machine only for a place that the user named; anybody may have written
    a folder's files.

    Args: ``name`` is the setting, ``target`` its value for a message.
    Raises: ConfigurationError when the value comes from a folder and the token does not.
    """
    if not place.is_own and token_place.is_own:
        key = name.removeprefix("WAREHOUSE__").lower()
        raise ConfigurationError(
            f"Nothing is published to {target}: only {place.name} names it, and somebody else may have written that "
            "file.",
            f"If it is right, set {name} in the environment or in ~/.dlt/config.toml; else remove {key} from that "
            "file.",
        )
