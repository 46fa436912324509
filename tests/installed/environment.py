"""Runs an installed wheel in a minimal environment, and in the namespace of a small container."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "usr", "etc", "proc", "dev")
NUMBER = 23_456
"""A user that has no name on any machine."""

CONTAINER = """
set -eu
root=$1 data=$2 shown=$3 user=$4 groups=$5; shift 5
mount -t tmpfs -o mode=755 tmpfs "$root"
for name in %(system)s; do
  if [ -L "/$name" ]; then cp -P "/$name" "$root/$name"
  elif [ -d "/$name" ]; then mkdir "$root/$name"; mount --rbind "/$name" "$root/$name"; fi
done
mount -t tmpfs -o ro tmpfs "$root/dev/shm"
IFS=:
for path in $shown; do mkdir -p "$root$path"; mount --bind "$path" "$root$path"; done
mkdir -p "$root$data"; mount --bind "$data" "$root$data"
for path in $shown; do mount -o remount,bind,ro "$root$path"; done
for name in usr etc; do mount -o remount,bind,ro "$root/$name"; done
mount -o remount,ro "$root"
unset IFS
exec chroot --userspec="$user:$user" --groups="$groups" "$root" /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$data" "$@"
""" % {"system": " ".join(SYSTEM)}  # noqa: UP031 - braces are the shell's
"""A read-only root with the programs and nothing else: no /tmp, no home; only ``data`` can be written."""


def build(checkout: Path, target: str, into: Path) -> Path:
    """Build a package from a checkout. Returns: its file."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into], cwd=checkout, check=True,
        capture_output=True,
    )  # fmt: skip
    [built] = into.iterdir()
    return built


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel. ``folder`` is the environment."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "bin" / "referrals"

    def run(
        self, *arguments: str, cwd: Path, environ: Mapping[str, str], given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with these variables and no others. ``given`` is its standard input."""
        return subprocess.run(
            [self.program, *arguments], cwd=cwd, env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True,
            text=True, check=False, timeout=300, input=given,
        )  # fmt: skip

    def contained(
        self,
        command: Sequence[str | Path],
        data: Path,
        environ: Mapping[str, str],
        user: int = NUMBER,
        groups: Sequence[int] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in ``data``, as a user without a name and on a root file system that is read-only.

        The user is in a group of its own number, and in ``groups``.
        """
        interpreter = (self.folder / "bin" / "python").resolve().parents[1]  # may be another than that of the tests
        shown = [self.folder, interpreter, Path(sysconfig.get_path("purelib"))]
        outside = [path for path in shown if path.parts[1] not in SYSTEM]
        root = data.parent / "root"
        root.mkdir(exist_ok=True)
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", CONTAINER, "sh", root, data,
             ":".join(map(str, outside)), str(user), ",".join(map(str, groups)), *command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environ}, capture_output=True, text=True, check=False,
            timeout=300,
        )  # fmt: skip


def why_nothing_is_contained() -> str | None:
    """Why this machine can run nothing in a namespace of its own; None where it can."""
    if os.geteuid() != 0:
        return "a read-only root and other users need root"
    if shutil.which("unshare") is None or shutil.which("chroot") is None:
        return "needs unshare and chroot"
    tried = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return None if tried.returncode == 0 else f"no mount namespaces: {tried.stderr.strip()}"
