"""The Dockerfile is carried out, one instruction after the other, in an empty root file system.

No container engine is needed: a namespace has the programs and the Python of this machine, nothing of the project.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.cli.processes import PREFIX
from tests.deployment_files import DEPLOY
from tests.documentation import PROJECT
from tests.installed.environment import SYSTEM, why_nothing_is_contained
from tests.test_deployment import Instruction, instructions, values

REASON = why_nothing_is_contained()
BASE = [Path(sys.base_prefix)] if Path(sys.base_prefix).parts[1] not in SYSTEM else []
ROOT = """
set -eu
root=$1 user=$2 folder=$3 shown=$4 writable=$5; shift 5
mount --bind "$root" "$root"
IFS=:
for path in $shown; do
  mkdir -p "$root$path"; mount --rbind "$path" "$root$path"; mount -o remount,bind,ro "$root$path"
done
if [ "$writable" != / ]; then
  mount --bind "$root$writable" "$root$writable"; mount -o remount,bind,ro "$root"
fi
unset IFS
exec chroot --userspec="$user" --groups= "$root" /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$folder" "$@"
"""


class Stage:
    """A root file system in which instructions are carried out, as a build does it."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.variables, self.user = root, "/", dict[str, str](), "0:0"
        root.mkdir()
        (root / "tmp").mkdir(mode=0o1777)
        for name in SYSTEM:
            if Path("/", name).is_symlink():
                (root / name).symlink_to(Path("/", name).readlink())

    def run(self, command: list[str], writable: str = "/", **more: str) -> subprocess.CompletedProcess[str]:
        shown = [f"/{name}" for name in SYSTEM if Path("/", name).is_dir() and not Path("/", name).is_symlink()]
        python = f"{sys.base_prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        path = f"{self.variables['PATH']}:{python}" if "PATH" in self.variables else python
        registry = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", ROOT, "sh", self.root, self.user,
             self.folder, ":".join([*shown, *map(str, BASE)]), writable, *command],
            env={**registry, **self.variables, **more, "PATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def carry_out(self, one: Instruction, build: Stage | None) -> None:
        if one.name == "WORKDIR":
            self.folder = one.text
            self._outside(one.text).mkdir(parents=True, exist_ok=True)
        elif one.name == "ENV":
            self.variables |= dict(word.split("=", 1) for word in shlex.split(one.text))
        elif one.name == "USER":
            self.user = one.text
        elif one.name == "COPY":
            self._copy(one.text, build)
        elif one.name == "RUN":
            done = self.run(["/bin/sh", "-c", one.text])
            assert done.returncode == 0, f"{one.text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        else:
            assert one.name in ("ARG", "FROM", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"), one

    def _copy(self, text: str, build: Stage | None) -> None:
        """A directory's contents go into the target, a file into a target that ends with a slash."""
        *sources, target = re.sub(r"^--from=\S+ ", "", text).split()
        into = self._outside(target)
        for source in sources:
            found = build._outside(source) if text.startswith("--from") and build else PROJECT / source
            into.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                shutil.copytree(found, into, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy(found, into)

    def _outside(self, path: str) -> Path:
        return self.root / Path(self.folder, path).relative_to("/")


@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_the_image_is_built_and_syncs_in_a_root_that_is_read_only(tmp_path: Path) -> None:
    stages: list[Stage] = []
    for one in instructions():
        if one.name == "FROM":
            stages.append(Stage(tmp_path / str(len(stages))))
        elif stages:
            stages[-1].carry_out(one, stages[0])
    image = stages[-1]
    entry = json.loads(values("ENTRYPOINT")[0])
    health = json.loads(values("HEALTHCHECK")[0].split("CMD ", 1)[1])
    assert image.run(health, "/data").returncode == 4, "nothing is published yet"
    with Sandbox(users=20, seed=4, calls_per_minute=0) as running:
        environ = {f"{PREFIX}BASE_URL": running.base_url, f"{PREFIX}API_TOKEN": running.token}
        environ |= {f"{PREFIX}SIMULATED_TIME": "true"}
        synced = image.run([*entry, "sync", "--json"], "/data", **environ)
        assert synced.returncode == 0, synced.stderr
    healthy = image.run(health, "/data")
    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert (image.root / "data" / "warehouse" / "warehouse.duckdb").exists()
    assert list((image.root / "data" / "machine").rglob("*.sqlite3"))
    assert not (image.root / "opt" / "referrals" / "bin" / "pip").exists()


def test_the_composition_is_valid_against_its_schema(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "-q", "check-jsonschema"], check=True)
    tool = [str(environment / "bin" / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    for content, is_valid in ((text, True), (text.replace("read_only:", "readonly:"), False)):
        (tmp_path / "compose.yaml").write_text(content)
        done = subprocess.run([*tool, str(tmp_path / "compose.yaml")], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == is_valid, done.stdout + done.stderr
