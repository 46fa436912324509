"""``referrals sql`` starts the real Harlequin on a terminal, which reaches nothing but the snapshot.

Harlequin is installed into an environment of its own, beside an environment of the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from referral_warehouse.cli.sql_programs import HARLEQUIN_RESTRICTED
from referral_warehouse.consume.query.restrictions import closing_script
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.consume.conftest import SYNCS, account
from tests.consume.terminals import environ_of, on_a_terminal
from tests.operate.deliveries import names_in
from tests.warehouse.planting import plant

PACKAGES = ("harlequin==2.17.*", "duckdb==1.5.5")
RUN, QUIT = "\n", "\x11"
"""Ctrl-J runs the query, Ctrl-Q ends Harlequin."""

# What a user could type; each is refused.
WAYS_OUT = (
    "attach '{load}' as load_file",
    "from read_csv('{folder}/secret.csv')",
    "from '{folder}/secret.csv'",
    "select content from read_text('{folder}/secret.csv')",
    "from glob('{folder}/*')",
    "copy (select 1) to '{folder}/copy.csv'",
    "export database '{folder}/export'",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "set temp_directory = '{folder}'",
    "create table x as select 1",
    "delete from core.users",
    "install httpfs",
    "load httpfs",
    "create persistent secret s (type s3)",
)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = plant(tmp_path_factory.mktemp("harlequin") / "data", account(), syncs=SYNCS)
    publish(settings, build(settings))
    return settings


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of Harlequin's programs."""
    environment = tmp_path_factory.mktemp("harlequin-home") / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "-q", *PACKAGES], check=True, capture_output=True)
    return environment / "bin"


def test_the_command_opens_harlequin_where_it_is_installed(warehouse: Settings, programs: Path, tmp_path: Path) -> None:
    (tmp_path / ".harlequin.toml").write_text('default_profile = "x"\n[profiles.x]\nadapter = "sqlite"\n')
    before = names_in(warehouse.warehouse_path.resolve().parent)
    environ = environ_of(warehouse, tmp_path) | {"PATH": f"{programs}:/usr/bin:/bin", "TERM": "xterm-256color"}
    with on_a_terminal(["sql"], environ, tmp_path) as screen:
        screen.wait_for("Database Connected")
        screen.wait_until_idle()
        for key in "select 40 + 2 as answer":
            screen.type(key)
        screen.wait_until_idle()
        screen.type(RUN)
        screen.wait_for("1 query executed successfully")
        assert "answer" in screen.shown
        assert "42" in screen.shown
        screen.type(QUIT)
        assert screen.process.wait(60) == 0
    assert names_in(warehouse.warehouse_path.resolve().parent) == before


def test_harlequin_reaches_nothing_but_the_snapshot(warehouse: Settings, programs: Path, tmp_path: Path) -> None:
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    (folder / "secret.csv").write_text("very_secret\n1\n")
    (tmp_path / "init.sql").write_text(closing_script())
    options = [*HARLEQUIN_RESTRICTED, "--init-path", str(tmp_path / "init.sql"), "--json"]
    environ = {**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_CACHE_HOME": str(home)}

    def run(query: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [programs / "hsql", *options, warehouse.warehouse_path, "--command", query]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    answered = run("select count(*) as users from core.users")
    assert json.loads(answered.stdout) == [{"users": 23}], answered.stderr
    for way in WAYS_OUT:
        done = run(way.format(folder=folder, load=warehouse.load_path))
        assert done.returncode != 0, way
        assert "very_secret" not in done.stdout, way
    assert [path.name for path in folder.iterdir()] == ["secret.csv"]
