"""Podman on this machine: a base image made of Debian's packages and this Python, no registry of images is used.

Knows nothing of the project's image. Where a program is missing, ``why_no_engine`` says which.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = ("podman", "runc", "catatonit", "debootstrap")
LIBRARIES = (
    "ca-certificates", "libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libncursesw6", "libreadline8",
    "libsqlite3-0", "libssl3", "libuuid1", "zlib1g",
)  # fmt: skip
"""What a Python of this machine needs of Debian."""

CONFIGURATION = '[containers]\ndefault_ulimits = []\n[engine]\nruntime = "runc"\n'
"""Limits of this process, which a container inside a container may not raise; runc knows both versions of cgroups."""

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PLACES_OF_PIP = ("/etc/pip.conf", "/etc/ssl/certs")
"""How pip reaches its registry here; a build gets these."""


def why_no_engine() -> str | None:
    """Why no container can be run; None where one can."""
    if os.geteuid() != 0:
        return "a base image needs root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"needs {', '.join(missing)} (apt-get install {' '.join(PROGRAMS)})" if missing else None


class Engine:
    """Podman with images and containers of its own in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        configuration = folder / "containers.conf"
        configuration.write_text(CONFIGURATION)
        storage = folder / "storage.conf"
        storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n')
        self.environ = {
            **os.environ, "CONTAINERS_CONF": str(configuration), "CONTAINERS_STORAGE_CONF": str(storage),
        }  # fmt: skip

    def run(
        self, *arguments: str | Path, program: str | Path = "podman", folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run podman, or a program that uses it."""
        return subprocess.run(
            [program, *arguments], env=self.environ, cwd=folder, capture_output=True, text=True, check=False
        )

    def must(self, *arguments: str | Path) -> str:
        """Run podman. Returns: what it prints. Raises: AssertionError where it fails."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout

    def make_base_image(self) -> None:
        """An image with the name that the Dockerfile begins with, for the version of this Python."""
        root = self.folder / "base"
        include = f"--include={','.join(LIBRARIES)}"
        _check(["debootstrap", "--variant=minbase", include, "bookworm", str(root)])
        ignored = shutil.ignore_patterns("test", "__pycache__", "site-packages")
        shutil.copytree(sys.base_prefix, root / "usr" / "local", symlinks=True, dirs_exist_ok=True, ignore=ignored)
        site = root / "usr" / "local" / "lib" / f"python{VERSION}" / "site-packages"
        site.mkdir(exist_ok=True)
        _check(["chroot", str(root), "ldconfig"])
        for name in ("python", "python3"):
            link = root / "usr" / "local" / "bin" / name
            link.unlink(missing_ok=True)
            link.symlink_to(f"python{VERSION}")
        archive = self.folder / "base.tar"
        _check(["tar", "-C", str(root), "-cf", str(archive), "."])
        self.must("import", archive, f"docker.io/library/python:{VERSION}-slim")
        archive.unlink()
        shutil.rmtree(root)

    def build(self, project: Path, name: str) -> None:
        """Build the image of the project, without asking for another base image."""
        deploy = project / "deploy"
        volumes = [f"--volume={place}:{place}:ro" for place in PLACES_OF_PIP if Path(place).exists()]
        self.must(
            "build", "--isolation", "chroot", "--network", "host", "--pull-never", "--format", "docker",
            f"--build-arg=PYTHON={VERSION}", f"--ignorefile={deploy / 'Dockerfile.dockerignore'}", *volumes,
            "-f", deploy / "Dockerfile", "-t", name, project,
        )  # fmt: skip

    def remove_all(self) -> None:
        """Stop and remove every container of this engine, with its images."""
        self.run("rm", "--all", "--force", "--time", "5")
        self.run("volume", "rm", "--all", "--force")
        self.run("rmi", "--all", "--force")


def _check(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
