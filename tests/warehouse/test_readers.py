"""Readers in another process during many publications: no error, no torn read, no waiting for them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from planting import insert, plant

from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish

CHILD = Path(__file__).with_name("reading.py")
PUBLICATIONS = [5, pytest.param(20, marks=pytest.mark.full)]


@pytest.mark.parametrize("publications", PUBLICATIONS)
def test_readers_never_see_an_error_or_a_half(tmp_path: Path, publications: int) -> None:
    settings = plant(tmp_path, {"users": [{"id": 1, "campaign_id": 5}]}, syncs=["2026-01-01 08:00:00"])
    publish(settings, build(settings))
    drafts = []
    for number in (2, 3):
        with duckdb.connect(str(settings.load_path)) as connection:
            insert(connection, "users", [{"id": number, "campaign_id": 5}])
        report = build(settings)
        drafts.append((report, report.draft_path.parent.rename(tmp_path / f"draft of {number}")))
    stop = tmp_path / "stop"
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(settings.warehouse_path), str(stop)], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        for number in range(publications):
            report, folder = drafts[number % 2]
            shutil.copytree(folder, report.draft_path.parent)
            publish(settings, report, accept_shorter_history=True)  # every other draft is the older one
        stop.touch()
        seen = json.loads(reader.stdout.readline())
    assert seen["errors"] == []
    assert seen["torn"] == 0
    assert seen["reads"] >= 2
    assert seen["seen"] >= 2, "the reader has seen a flip"
