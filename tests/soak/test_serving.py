"""polars and pandas, in an environment of their own, read what ``referrals serve`` gives, as docs/serving.md shows."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.consume.http_server import HttpServer
from referral_warehouse.consume.serving.app import serving_app
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.consume.conftest import SYNCS, account
from tests.documentation import PAGES
from tests.fences import fences_of
from tests.warehouse.planting import plant

TOKEN = "tok-0123456789abcdef"
CLIENTS = ["pandas>=3", "polars>=2", "pyarrow>=22"]
# What polars itself does with an address; its reader has no way to send a token, so the server here asks for none.
BY_ADDRESS = """
import sys
import polars as pl
numbered, current = sys.argv[1:]
print(pl.scan_parquet(numbered).select(pl.len()).collect().item())
try:
    pl.scan_parquet(current).collect()
except OSError as error:
    print("refused" if "ange request" in str(error) else error)
"""


def test_polars_and_pandas_read_what_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = plant(tmp_path / "data", account(), syncs=SYNCS)
    published = publish(settings, build(settings))
    app = serving_app(replace(settings, serve_personal=True))
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "-q", *CLIENTS], check=True)
    [code] = [fence.text for fence in fences_of(PAGES["docs/serving.md"]) if fence.info == "python"]

    def run(text: str, *arguments: str) -> list[str]:
        command: list[str | Path] = [environment / "bin" / "python", "-c", text, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout.split()

    with HttpServer(lambda _port: app, TOKEN) as server:
        said = run(code.replace("http://127.0.0.1:8780", server.url).replace("<token>", TOKEN))
    expected = [
        str(duckdb.sql(f"select count(*) from '{settings.feeds_dir}/marts.{name}.parquet'").fetchall()[0][0])
        for name in ("referral_funnel", "reward_ledger")
    ]
    assert said == expected
    monkeypatch.setattr("referral_warehouse.consume.http_server.TokenRequired", lambda app, _token, **_: app)
    with HttpServer(lambda _port: app, TOKEN) as server:
        feeds = f"{server.url}/snapshots/{published.snapshot:06d}/feeds", f"{server.url}/feeds"
        assert run(BY_ADDRESS, *(f"{folder}/marts.referral_funnel.parquet" for folder in feeds)) == [
            expected[0],
            "refused",
        ]
