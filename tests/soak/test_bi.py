"""Clients that are too heavy for every environment, and other versions of DuckDB, read what is published.

Each is installed into an environment or a folder of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from referral_warehouse.cli.sql_programs import RESTRICTED
from referral_warehouse.consume.description.dbt import dbt_files
from referral_warehouse.consume.description.describe import describe
from referral_warehouse.consume.description.export_files import write_files
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.consume.conftest import SYNCS, account
from tests.warehouse.planting import plant

CLIENTS = [
    "duckdb==1.5.5",
    "duckdb-engine==0.17.0",
    "sqlalchemy==2.0.40",
    "pandas>=3",
    "polars>=2",
    "ibis-framework[duckdb]>=12",
]
DBT = ["dbt-core==1.11.*", "dbt-duckdb==1.10.*", "duckdb==1.5.5"]
VERSIONS = ["1.1.3", "1.2.2", "1.3.2", "1.4.4", "1.5.5", "2.0.1"]
READ_ALL = """
import duckdb, json, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    tables = [row[0] for row in connection.execute(
        "select schema_name || '.' || table_name from duckdb_tables() order by 1").fetchall()]
    rows = {table: len(connection.execute(f"from {table}").fetchall()) for table in tables}
    due = connection.execute("select due_value, first_seen_at from core.rewards_due").fetchall()
    comments = connection.execute(
        "select count(*) from duckdb_columns() where comment is null and not internal").fetchone()
print(json.dumps([duckdb.__version__, rows, [str(value) for value in due[0]], comments[0]]))
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = plant(tmp_path_factory.mktemp("bi") / "data", account(), syncs=SYNCS)
    publish(settings, build(settings))
    return settings


def _run(command: list[str | Path], folder: Path, **environ: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, env=kept | {"HOME": str(folder)} | environ, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def _environment_with(packages: list[str], folder: Path) -> Path:
    environment = folder / "environment"
    _run([sys.executable, "-m", "venv", environment], folder)
    _run([environment / "bin" / "pip", "install", "-q", *packages], folder)
    return environment / "bin"


def test_every_client_reads_exact_amounts_and_times(warehouse: Settings, tmp_path: Path) -> None:
    tools = _environment_with(CLIENTS, tmp_path)
    feed = warehouse.feeds_dir / "core.rewards_due.parquet"
    program = Path(__file__).with_name("bi_clients.py")
    said = json.loads(_run([tools / "python", program, warehouse.warehouse_path, feed], tmp_path).splitlines()[-1])
    assert len(said) == 6
    for client, found in said.items():
        moment = "2026-01-01 08:00:00" + ("+00:00" if client.endswith("feed") else "")
        assert found == ["24.691356", moment], client


@pytest.mark.parametrize("version", VERSIONS)
def test_a_published_file_opens_in_each_version_of_duckdb(version: str, warehouse: Settings, tmp_path: Path) -> None:
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--target",
            tmp_path / "wheel",
            f"duckdb=={version}",
        ],
        tmp_path,
    )
    read: list[str | Path] = [sys.executable, "-c", READ_ALL, warehouse.warehouse_path]
    found, rows, due, uncommented = json.loads(_run(read, tmp_path, PYTHONPATH=str(tmp_path / "wheel")))
    assert found == version
    assert (rows["core.users"], due) == (23, ["24.691356", "2026-01-01 08:00:00"])
    assert uncommented == 0
    assert rows.keys() == {table.name for table in describe().tables}


def test_dbt_builds_and_tests_the_project_and_knows_the_metrics(warehouse: Settings, tmp_path: Path) -> None:
    tools = _environment_with(DBT, tmp_path)
    project = tmp_path / "project"
    write_files(project, dbt_files(describe()))
    environ = {"WAREHOUSE_FILE": str(warehouse.warehouse_path), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    _run([tools / "dbt", "build", "--profiles-dir", ".", "--project-dir", "."], project, **environ)
    manifest = json.loads((project / "target" / "semantic_manifest.json").read_text(encoding="utf-8"))
    assert {metric["name"] for metric in manifest["metrics"]} >= {metric.name for metric in describe().metrics}
    assert not warehouse.warehouse_path.with_name("warehouse.duckdb.wal").exists()


# What a user could type in DuckDB's program; each line is refused.
WAYS_OUT = """
.shell echo ran > {folder}/shell
.system echo ran > {folder}/system
.read {folder}/secret.sql
.open {folder}/other.duckdb
.output {folder}/output
.once {folder}/once
.import {folder}/secret.csv x
.log {folder}/log
.cd {folder}
attach '{load}' as load_file;
from '{folder}/secret.csv';
copy (select 1) to '{folder}/copy.csv';
set enable_external_access = true;
create table x as select 1;
delete from core.users;
install httpfs;
select getenv('HOME');
"""


def test_duckdbs_own_program_reaches_nothing_but_the_snapshot(warehouse: Settings, tmp_path: Path) -> None:
    _run([sys.executable, "-m", "pip", "install", "-q", "--target", tmp_path / "cli", "duckdb-cli"], tmp_path)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "secret.csv").write_text("very_secret\n1\n")
    (folder / "secret.sql").write_text("select 'very_secret';\n")
    text = WAYS_OUT.format(folder=folder, load=warehouse.load_path) + "select 40 + 2 as answer;\n"
    command: list[str | Path] = [
        tmp_path / "cli" / "duckdb_cli" / "duckdb",
        *RESTRICTED,
        "-csv",
        warehouse.warehouse_path,
    ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["answer", "42"]
    assert len(re.findall(r"-safe mode|Error: ", done.stderr)) >= len(WAYS_OUT.strip().splitlines())
    assert "very_secret" not in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["secret.csv", "secret.sql"]
