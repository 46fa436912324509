"""The files of deploy/: made from what they say they are made from, and each command and path in them exists."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml

import referral_warehouse
from referral_warehouse.cli import cli
from referral_warehouse.operate.durations import parse_duration
from referral_warehouse.operate.schedules import Deployment, schedule_files
from referral_warehouse.settings.table import TABLE
from tests.deployment_files import DEPLOY, ON_A_SERVER, contents
from tests.documentation import PAGES, PROJECT

SETTINGS = {setting.name for setting in TABLE}
SYSTEMD = shutil.which("systemd-analyze")


class Instruction(NamedTuple):
    """A line of a Dockerfile."""

    name: str
    text: str


def instructions() -> list[Instruction]:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return [Instruction(*line.split(" ", 1)) for line in lines if line and not line.startswith("#")]


def values(name: str) -> list[str]:
    return [one.text for one in instructions() if one.name == name]


def parsed(arguments: list[str]) -> click.Context:
    """The context of a command line of ``referrals``. Raises: click.UsageError where it is none."""
    context = cli.make_context("referrals", list(arguments))
    name, command, rest = cli.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None
    return command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("path", contents())
def test_a_file_that_follows_from_others_is_up_to_date(path: str) -> None:
    assert (DEPLOY / path).read_text(encoding="utf-8") == contents()[path], "run python -m tests.deployment_files"


def test_the_locks_are_parts_of_the_lock_and_pin_what_a_server_imports() -> None:
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    runtime, build = ((DEPLOY / name).read_text(encoding="utf-8") for name in ("runtime.lock", "build.lock"))
    for text in (runtime, build):
        for entry in re.split(r"\n(?=\w)", text.strip()):
            assert f"{entry}\n" in f"{lock}\n"
            assert "--hash=sha256:" in entry
    named = set(re.findall(r"^([\w.-]+)==", runtime, re.MULTILINE))
    assert {"dlt", "duckdb", "prometheus-client", "httpcore", "pyyaml"} <= named
    assert named & {"pytest", "mypy", "uvicorn", "hatchling"} == set()
    assert re.findall(r"^(hatchling|pathspec)==", build, re.MULTILINE) == ["hatchling", "pathspec"]


def test_an_image_is_made_of_files_that_exist_and_enter_the_build() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    sources = [part for text in values("COPY") if "--from" not in text for part in text.split()[:-1]]
    assert set(sources) == kept
    assert all((PROJECT / source).exists() for source in sources)
    assert ignored[1] == "*", "nothing enters that is not named"
    for secret in (".dlt/secrets.toml", "deploy/api-token", "data/load.duckdb", ".git/config"):
        assert not any(fnmatch(secret, pattern) or secret.startswith(f"{pattern}/") for pattern in kept)


def test_an_image_runs_a_command_that_exists_and_not_as_root() -> None:
    [entry], [arguments], [health] = values("ENTRYPOINT"), values("CMD"), values("HEALTHCHECK")
    assert json.loads(entry) == ["referrals"]
    sync = parsed(json.loads(arguments))
    assert sync.command.name == "sync"
    program, *words = json.loads(health.split("CMD ", 1)[1])
    status = parsed(words)
    assert (program, status.command.name) == ("referrals", "status")
    assert parse_duration("max_age", status.params["max_age"]) >= 2 * parse_duration("every", sync.params["every"])
    [user] = values("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user), "Kubernetes refuses names where root is forbidden"
    [job] = schedule_files("kubernetes", Deployment(["x"], PROJECT, PROJECT, "me"), 3600).values()
    context = list(yaml.safe_load_all(job))[1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["securityContext"]
    assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
    for name in (text.split("=")[0] for text in values("ENV")):
        assert not name.startswith(("SOURCES", "WAREHOUSE", "NOTIFY")) or name in SETTINGS


def test_every_package_of_an_image_is_installed_with_its_hash() -> None:
    installs = [text for text in values("RUN") if " install " in text and "pip" in text]
    assert len(installs) == 3
    for text in installs:
        assert "--require-hashes" in text or "--no-deps --no-index" in text


def test_a_composition_keeps_the_root_read_only_and_the_token_a_secret() -> None:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    [service] = found["services"].values()
    assert service["image"] == f"referral-warehouse:{referral_warehouse.__version__}"
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    [(name, path)] = service["environment"].items()
    assert name in SETTINGS
    [secret] = service["secrets"]
    assert path == f"/run/secrets/{secret}"
    assert set(found["secrets"]) == {secret}
    assert found["secrets"][secret]["file"] == "./api-token"
    assert [volume.split(":")[0] for volume in service["volumes"]] == list(found["volumes"])
    [volume] = values("VOLUME")
    assert service["volumes"] == [f"data:{json.loads(volume)[0]}"]


def test_the_token_never_enters_git(tmp_path: Path) -> None:
    shutil.copy(PROJECT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True, capture_output=True)
    answer = subprocess.run(
        ["git", "check-ignore", "deploy/api-token", "deploy/compose.yaml"], cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert answer.stdout.splitlines() == ["deploy/api-token"]


@pytest.mark.skipif(SYSTEMD is None, reason="needs systemd-analyze, which .ci/run installs")
def test_the_units_pass_the_check_of_systemd(tmp_path: Path) -> None:
    """With a program that exists: that is the only thing the check misses on a machine without the installation."""
    for path in (DEPLOY / "systemd").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace(ON_A_SERVER.program[0], sys.executable))
    verify = [str(SYSTEMD), "verify", *sorted(map(str, tmp_path.iterdir()))]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    service = tmp_path / "referrals-sync.service"
    service.write_text(service.read_text().replace("LoadCredential=api-token:", "LoadCredential=api-token:relative"))
    assert "Credential source" in subprocess.run(verify, capture_output=True, text=True, check=False).stderr


def test_the_page_installs_what_the_units_run() -> None:
    page = PAGES["docs/deployment.md"]
    unit = (DEPLOY / "systemd" / "referrals-sync.service").read_text(encoding="utf-8")
    found = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    [program, *_] = shlex.split(found["ExecStart"])
    assert f"python3 -m venv {Path(program).parents[1]}\n" in page
    assert f"--home-dir {found['WorkingDirectory']} --create-home {found['User']}\n" in page
    assert f"/dev/stdin {found['LoadCredential'].split(':')[1]}\n" in page
    assert f"WAREHOUSE__DIR={ON_A_SERVER.warehouse_dir} {program} status" in page
