"""The files for Dagster, Prefect and Airflow run in the packages they are for; YAML is valid against its schema.

Each package is installed into an environment of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from referral_warehouse.operate.schedules import Deployment, schedule_files

PACKAGES = {"dagster": "dagster", "prefect": "prefect", "airflow": "apache-airflow"}
# scheduler → the package with the schema, its command, and a change that breaks the file
SCHEMAS = {
    "kubernetes": ("kubernetes-validate", ["kubernetes-validate", "--strict"], ("backoffLimit", "backoffLimits")),
    "github-actions": (
        "check-jsonschema", ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"], ("runs-on", "runs_on"),
    ),
}  # fmt: skip
# code → whether the job succeeds, and how often the program runs: what may pass is tried again three times
EXPECTED = {"0": [True, 1], "75": [True, 1], "4": [False, 4], "5": [False, 1]}


@pytest.mark.parametrize("kind", PACKAGES)
def test_the_package_runs_the_file(kind: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/ran"\nexit "$(cat "{tmp_path}/code")"\n')
    program.chmod(0o700)
    deployment = Deployment([str(program)], tmp_path, tmp_path / "data", "me")
    for name, text in schedule_files(kind, deployment, 3600).items():
        (tmp_path / name).write_text(text.replace("delay=300", "delay=0"))  # of Dagster, which really waits
    environment = environment_with(PACKAGES[kind], tmp_path)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    own = {"HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path / "airflow"), "PREFECT_HOME": str(tmp_path / "prefect")}
    done = subprocess.run(
        [environment / "bin" / "python", Path(__file__).with_name("orchestrators.py"), kind, tmp_path],
        env=kept | own | {"DO_NOT_TRACK": "1", "AIRFLOW__CORE__LOAD_EXAMPLES": "false"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == EXPECTED


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_file_is_valid_against_its_schema(kind: str, tmp_path: Path) -> None:
    package, (command, *options), (right, wrong) = SCHEMAS[kind]
    tool = environment_with(package, tmp_path) / "bin" / command
    deployment = Deployment(["/srv/referrals"], tmp_path, tmp_path / "data", "me")
    [text] = schedule_files(kind, deployment, 3600).values()
    for name, content, is_valid in (("right.yaml", text, True), ("wrong.yaml", text.replace(right, wrong), False)):
        (tmp_path / name).write_text(content)
        done = subprocess.run([tool, *options, tmp_path / name], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == is_valid, done.stdout + done.stderr


def environment_with(package: str, folder: Path) -> Path:
    """A new environment with a package."""
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "-q", package], check=True)
    return environment
