"""The path of a new user: the wheel, the demo, its report in a browser, and programs that query the data.

All show the same number. SCREENSHOTS names a folder that keeps pictures of the report: light, dark and on a phone.
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from mcp import Client, StdioServerParameters, stdio_client

from tests.chromium import DESKTOP, NO_BROWSER, PHONE, Opened, chromium, chromium_path
from tests.consume.agent_client import answered
from tests.consume.superset_bundle import tables_of_bundle
from tests.installed.environment import Installed

QUESTION = "select sum(stage_count) as users from marts.referral_funnel where stage = 'users'"
PICTURES = {"light": (DESKTOP, "light"), "dark": (DESKTOP, "dark"), "phone": (PHONE, "light")}
PNG = b"\x89PNG"


class NewUser:
    """A folder, and the installed program with nothing in its environment but a home."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        self.installed, self.folder = installed, folder
        self.environ = {"HOME": str(folder), "COLUMNS": "200"}
        self.database = folder / "data" / "warehouse.duckdb"

    def referrals(self, *arguments: str) -> str:
        done = self.installed.run(*arguments, cwd=self.folder, environ=self.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.mark.full  # half a minute of CPU
def test_the_path_of_a_new_user(installed: Installed, tmp_path: Path) -> None:
    user = NewUser(installed, tmp_path)
    said = user.referrals("demo", "--days", "1", "--users", "40")
    [report] = [line.partition("Report:")[2].strip() for line in said.splitlines() if line.startswith("Report:")]
    [users] = [row["users"] for row in csv.DictReader(io.StringIO(user.referrals("sql", QUESTION, "--format", "csv")))]
    assert int(users) > 20
    assert _by_sqlalchemy(user) == int(users)
    assert asyncio.run(_by_an_agent(user)) == int(users)
    assert _tables_of_the_bundle(user) == _tables_by_sqlalchemy(user)
    _check_report(tmp_path / report, int(users), Path(os.environ.get("SCREENSHOTS") or tmp_path / "pictures"))


def _engine(user: NewUser) -> sa.Engine:
    return sa.create_engine(f"duckdb:///{user.database}", connect_args={"read_only": True})


def _by_sqlalchemy(user: NewUser) -> int:
    engine = _engine(user)
    table = sa.Table("referral_funnel", sa.MetaData(), schema="marts", autoload_with=engine)
    with engine.connect() as connection:
        found = connection.execute(sa.select(sa.func.sum(table.c.stage_count)).where(table.c.stage == "users")).scalar()
    engine.dispose()
    return int(found or 0)


def _tables_by_sqlalchemy(user: NewUser) -> set[str]:
    engine = _engine(user)
    inspector = sa.inspect(engine)
    found = {f"{schema}.{name}" for schema in ("core", "marts", "ops") for name in inspector.get_table_names(schema)}
    engine.dispose()
    return found


async def _by_an_agent(user: NewUser) -> int:
    server = StdioServerParameters(command=str(user.installed.program), args=["mcp"], env=user.environ, cwd=user.folder)
    async with Client(stdio_client(server)) as client:
        metrics = {tool.name for tool in (await client.list_tools()).tools}
        assert {"list_metrics", "ask_metric", "query"} <= metrics
        found = answered(await client.call_tool("query", {"sql": QUESTION}))
        [[users]] = found.rows
        return int(users)


def _tables_of_the_bundle(user: NewUser) -> set[str]:
    user.referrals("docs", "--format", "superset", "--out", "bundle")
    folder = user.folder / "bundle"
    with zipfile.ZipFile(user.folder / "bundle.zip", "w") as archive:  # what is imported
        for path in sorted(folder.rglob("*.yaml")):
            archive.write(path, path.relative_to(folder))
    with zipfile.ZipFile(user.folder / "bundle.zip") as archive:
        files: dict[str, Any] = {
            name.partition("/")[2]: yaml.safe_load(archive.read(name)) for name in archive.namelist()
        }
    return tables_of_bundle(files)


def _check_report(report: Path, users: int, pictures: Path) -> None:
    if chromium_path() is None:
        pytest.skip(NO_BROWSER)
    pictures.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name, (size, scheme) in PICTURES.items():
            with Opened(browser, report, size, color_scheme=scheme) as opened:
                assert opened.page.locator("#scope-all .chart svg").count() > 5
                assert opened.page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
                assert f"{users:,}" in (opened.page.locator("#scope-all").text_content() or "")
                picture = pictures / f"report-{name}.png"
                opened.page.screenshot(path=picture, full_page=True)
                assert picture.read_bytes().startswith(PNG)
                assert (opened.complaints, opened.requests) == ([], [report.as_uri()])
    assert len({(pictures / f"report-{name}.png").read_bytes() for name in PICTURES}) == len(PICTURES)
