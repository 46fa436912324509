"""A bucket of S3, or of a compatible server, that feeds are delivered to. Must not know which objects form a set.

Credentials, region and endpoint are those that Amazon's own tools would use: from the environment, a profile, or the
machine.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from referral_warehouse.operate.delivery_place import Stored
from referral_warehouse.redaction import register_secret
from referral_warehouse.workspace.current_snapshot import SNAPSHOTS

SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ATTEMPTS = 10, 60, 3


class DeliveryBucket:
    """The bucket and prefix as a ``Place``. An object appears as a whole when its upload has ended."""

    def __init__(self, bucket: str, prefix: str) -> None:
        import s3fs

        for name in SECRETS:
            register_secret(os.environ.get(name, ""))
        self._root = f"{bucket}/{prefix}".rstrip("/")
        self._files: Any = s3fs.S3FileSystem(
            use_listings_cache=False, skip_instance_cache=True,
            config_kwargs={
                "connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S,
                "retries": {"total_max_attempts": ATTEMPTS, "mode": "standard"},
            },
        )  # fmt: skip
        self._files.retries = 1  # s3fs would repeat the attempts of the client, which are enough

    def files(self) -> dict[str, Stored]:
        """The objects below ``snapshots/``. Raises: OSError, errors of botocore."""
        found = self._files.find(self._path(SNAPSHOTS), detail=True)
        return {
            path.removeprefix(f"{self._root}/"): _stored(entry)
            for path, entry in found.items()
            if entry["type"] == "file"
        }

    def find(self, name: str) -> Stored | None:
        """An object's size and time; None where there is none. Raises: as ``files``."""
        try:
            return _stored(self._files.info(self._path(name)))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes | None:
        """The bytes of an object; None where there is none. Raises: as ``files``."""
        try:
            content: bytes = self._files.cat_file(self._path(name))
        except FileNotFoundError:
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a small object. Raises: as ``files``."""
        self._files.pipe_file(self._path(name), content)

    def upload(self, name: str, source: Path, sha256: str) -> None:
        """Copy a file; the server compares the checksum. Raises: as ``files``."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode("ascii")
        self._files.put_file(str(source), self._path(name), ChecksumSHA256=checksum)

    def remove(self, names: list[str]) -> None:
        """Remove objects. Raises: as ``files``."""
        self._files.rm([self._path(name) for name in names])

    def grant_read_access(self, names: Iterable[str]) -> None:
        """Do nothing: the policies of the bucket decide who may read."""

    def close(self) -> None:
        """Close the connections."""
        client = getattr(self._files, "_s3creator", None)
        if client is not None:
            self._files.close_session(self._files.loop, client)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _stored(entry: dict[str, Any]) -> Stored:
    return Stored(int(entry["size"]), entry["LastModified"].timestamp())
