"""Writes the files of ``deploy/`` that follow from others: locks of what an image needs, units of systemd.

Usage: python -m tests.deployment_files. ``requirements.lock`` also has the tools of developers, which no server
needs; the locks here are parts of it, entry for entry. Which entries belong to a part follows from the metadata of the
installed packages.
"""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from referral_warehouse.operate.schedules import Deployment, schedule_files
from tests.documentation import PROJECT

DEPLOY = PROJECT / "deploy"
ENTRY = re.compile(r"^([\w.-]+)==.*\n(?:[ \t]+.*\n)*", re.MULTILINE)
"""One package of the lock, with its hashes."""
HOME = Path("/var/lib/referral-warehouse")
ON_A_SERVER = Deployment(
    ["/opt/referrals/bin/referrals"], HOME, HOME / "data", "referrals", Path("/etc/referral-warehouse/api-token")
)
"""Where docs/deployment.md puts things on a server with systemd."""


def contents() -> dict[str, str]:
    """The files by their path in ``deploy/``."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = {canonicalize_name(found[1]): found[0] for found in ENTRY.finditer(_lock())}
    parts = {"runtime.lock": project["project"]["dependencies"], "build.lock": project["build-system"]["requires"]}
    files = {
        name: "".join(locked[package] for package in sorted(_closure(requirements, set(locked))))
        for name, requirements in parts.items()
    }
    units = schedule_files("systemd", ON_A_SERVER, 3600)
    return files | {f"systemd/{name}": text for name, text in units.items()}


def _lock() -> str:
    return (PROJECT / "requirements.lock").read_text(encoding="utf-8")


def _closure(requirements: list[str], locked: set[NormalizedName]) -> set[NormalizedName]:
    """The names of packages and of all that they require on any system; the lock says on which it is installed."""
    found: set[NormalizedName] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or name not in locked:  # the lock leaves out what no supported Python needs
            continue
        found.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another system
            continue
        for text in needed:
            inner = Requirement(text)
            extras = requirement.extras or {""}
            is_extra = "extra" in str(inner.marker or "")
            if not is_extra or any(inner.marker and inner.marker.evaluate({"extra": one}) for one in extras):
                waiting.append(inner)
    return found


if __name__ == "__main__":
    for path, text in contents().items():
        (DEPLOY / path).parent.mkdir(parents=True, exist_ok=True)
        (DEPLOY / path).write_text(text, encoding="utf-8")
