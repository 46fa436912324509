"""A reader that opened the warehouse for writing, DuckDB's default: syncs continue, and ``status`` reports it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral_warehouse.sandbox import Sandbox
from tests.cli.processes import PREFIX, Referrals

HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def world(environ: dict[str, str]) -> Iterator[Sandbox]:
    """The account of the directory ``synced``, for this test alone."""
    with Sandbox(users=80, seed=4, calls_per_minute=0) as running:
        environ[f"{PREFIX}BASE_URL"] = running.base_url
        yield running


@pytest.mark.usefixtures("synced")
def test_syncs_continue_and_status_reports_that_the_file_is_locked(
    referrals: Referrals, world: Sandbox, tmp_path: Path
) -> None:
    link = tmp_path / "data" / "warehouse.duckdb"
    link.chmod(0o600)  # so that this test's user may do what root may
    reader = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(link)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    try:
        assert reader.stdout.readline() == "open\n"
        shown = referrals("status")
        assert (shown.returncode, "Snapshot 1 of" in shown.stdout) == (0, True)
        assert "another program has the published file open for writing" in shown.stderr
        as_json = referrals("status", "--json")
        assert (as_json.returncode, json.loads(as_json.stdout)["snapshot"]) == (0, 1)
        world.advance(days=1)
        done = json.loads(referrals("sync", "--json").stdout)
        assert (done["published"], done["snapshot"], done["problems"]) == (True, 2, [])
        assert referrals("status").stderr == ""
    finally:
        reader.stdin.close()
        reader.stdout.close()
        reader.wait()
