"""A real engine builds the image, and the composition runs it: read-only, without rights, as a user without a name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.cli.processes import PREFIX
from tests.deployment_files import DEPLOY
from tests.documentation import PROJECT
from tests.soak.container_engine import Engine, why_no_engine

REASON = why_no_engine()
IMAGE = "referral-warehouse:0.2.0"
USER = 10_001
TIMEOUT_S = 120
COMPOSE = "podman-compose==1.6.*"
# Only where the account is, and how it is reached; all else is deploy/compose.yaml.
OVERRIDE = """
services:
  sync:
    environment:
      {prefix}API_TOKEN_FILE: /run/secrets/referral_factory_api_token
      {prefix}BASE_URL: {url}
      {prefix}SIMULATED_TIME: "true"
    network_mode: host
"""

pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine with the built image."""
    engine = Engine(tmp_path_factory.mktemp("engine"))
    try:
        engine.make_base_image()
        engine.build(PROJECT, f"localhost/{IMAGE}")
        yield engine
    finally:
        engine.remove_all()


def test_the_image_has_what_the_dockerfile_says(engine: Engine) -> None:
    [found] = json.loads(engine.must("image", "inspect", f"localhost/{IMAGE}"))
    assert found["Config"]["User"] == f"{USER}:{USER}"
    assert found["Config"]["StopSignal"] == "SIGTERM"
    assert list(found["Config"]["Volumes"]) == ["/data"]
    assert found["Healthcheck"]["Test"] == ["CMD", "referrals", "status", "--max-age", "3h"]


def test_the_composition_syncs_is_healthy_and_stops(engine: Engine, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "environment"], check=True)
    install: list[str | Path] = [tmp_path / "environment" / "bin" / "pip", "install", "-q", COMPOSE]
    subprocess.run(install, check=True, capture_output=True)
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    (deploy / "compose.yaml").write_bytes((DEPLOY / "compose.yaml").read_bytes())
    with Sandbox(users=20, seed=4, calls_per_minute=0) as sandbox:
        (deploy / "override.yaml").write_text(OVERRIDE.format(prefix=PREFIX, url=sandbox.base_url))
        token = deploy / "api-token"
        token.write_text(sandbox.token)
        token.chmod(0o400)
        os.chown(token, USER, USER)
        compose = ["-f", "compose.yaml", "-f", "override.yaml", "--in-pod", "false", "--podman-run-args=--ulimit host"]
        program = tmp_path / "environment" / "bin" / "podman-compose"
        started = engine.run(*compose, "up", "--no-build", "--detach", program=program, folder=deploy)
        assert started.returncode == 0, started.stderr
        try:
            _check_running_container(engine)
        finally:
            engine.run(*compose, "down", program=program, folder=deploy)


def _check_running_container(engine: Engine) -> None:
    [name] = engine.must("ps", "--format", "{{.Names}}").split()
    until = time.monotonic() + TIMEOUT_S
    while engine.run("exec", name, "referrals", "status", "--max-age", "3h").returncode != 0:
        assert time.monotonic() < until, engine.run("logs", name).stderr[-2000:]
        time.sleep(1)
    assert "Well: the data is" in engine.must("exec", name, "referrals", "status")
    inside = engine.run("exec", name, "sh", "-c", "touch /x; touch /data/y; id -u; cat /proc/self/status")
    assert "touch: cannot touch '/x': Read-only file system" in inside.stderr
    assert "/data/y" not in inside.stderr
    assert inside.stdout.splitlines()[0] == str(USER)
    assert "CapEff:\t0000000000000000" in inside.stdout
    assert "NoNewPrivs:\t1" in inside.stdout
    engine.must("stop", "--time", "30", name)
    [found] = json.loads(engine.must("inspect", name))
    assert found["State"]["ExitCode"] == 143, "SIGTERM ended it, and no SIGKILL after the time of grace"
    assert (found["HostConfig"]["ReadonlyRootfs"], found["HostConfig"]["Memory"]) == (True, 2 << 30)
    assert 'published":true' in engine.run("logs", name).stdout.replace(" ", "")
