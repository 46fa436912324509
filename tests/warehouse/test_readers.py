"""Readers in other processes during many publications: no error, no mixture of two snapshots, no waiting for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from referral_warehouse.consume.http_server import HttpServer
from referral_warehouse.consume.serving.app import serving_app
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.warehouse.planting import insert, plant
from tests.warehouse.reading import READERS

pytestmark = pytest.mark.usefixtures("fewest_models_in_module")
CHILD = Path(__file__).with_name("reading.py")
PROJECT = CHILD.parents[2]
HEAVY = ("pandas", "polars", "duckdb over http, by snapshot", "duckdb over http, by name")
TOKEN = "tok-0123456789abcdef"


def test_readers_never_see_an_error_or_a_mixture(tmp_path: Path) -> None:
    read_during_publications(tmp_path, Path(sys.executable), 3, [name for name in READERS if name not in HEAVY])


@pytest.mark.full
def test_no_reader_ever_sees_an_error_or_a_mixture(tmp_path: Path) -> None:
    """Fifty publications, and also readers that take much time or are too heavy for every environment."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    packages = ["duckdb==1.5.5", "duckdb-extension-httpfs==1.5.5", "pyarrow>=22", "pandas", "polars"]
    subprocess.run([environment / "bin" / "pip", "install", "-q", *packages], check=True)
    read_during_publications(tmp_path, environment / "bin" / "python", 50, list(READERS))


def user_and_campaign(number: int) -> dict[str, list[dict[str, Any]]]:
    """As many users as campaigns: readers compare the counts of both tables."""
    return {
        "users": [{"id": number, "campaign_id": 5}],
        "campaigns": [{"id": number, "seen": ["2026-01-01 08:00:00", None]}],
    }


def read_during_publications(tmp_path: Path, python: Path, publications: int, names: list[str]) -> None:
    """Publish, while each of these readers reads in a process of its own."""
    settings = plant(tmp_path, user_and_campaign(1), syncs=["2026-01-01 08:00:00"])
    publish(settings, build(settings))
    drafts = []
    for number in (2, 3):
        with duckdb.connect(str(settings.load_path)) as connection:
            for table, rows in user_and_campaign(number).items():
                insert(connection, table, rows)
        report = build(settings)
        drafts.append((report, report.draft_path.parent.rename(tmp_path / f"draft of {number}")))
    stop = tmp_path / "stop"
    with ExitStack() as stack:
        app = serving_app(replace(settings, serve_personal=True))
        server = stack.enter_context(HttpServer(lambda _port: app, TOKEN))
        environ = {**os.environ, "SERVED_AT": server.url, "SERVE_TOKEN": TOKEN, "PYTHONPATH": str(PROJECT)}
        readers = {
            name: stack.enter_context(
                subprocess.Popen(
                    [str(python), str(CHILD), name, str(settings.published_dir), str(stop)],
                    stdout=subprocess.PIPE, text=True, env=environ,
                )
            )
            for name in names
        }  # fmt: skip
        for reader in readers.values():
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reading\n"
        for number in range(publications):
            report, folder = drafts[number % 2]
            shutil.copytree(folder, report.draft_path.parent)
            publish(settings, report, accept_shorter_history=True)  # every other draft is the older one
        stop.touch()
        for name, reader in readers.items():
            assert reader.stdout is not None
            seen = json.loads(reader.stdout.readline())
            assert seen["errors"] == [], name
            assert seen["torn"] == 0, name
            assert seen["reads"] >= 2, name
            assert seen["seen"] >= 2, f"{name} has seen another snapshot"
