"""The example applications, each in an environment of its own, on a published warehouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.consume.conftest import SYNCS, account
from tests.warehouse.planting import plant

PROJECT = Path(__file__).parents[2]
PACKAGES = ["streamlit>=1.50", "duckdb==1.5.5"]
RUN = """
import json, sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file(sys.argv[1], default_timeout=120).run()
def seen():
    return {
        "errors": [e.value for e in (*app.exception, *app.error)], "captions": [c.value for c in app.caption],
        "tables": [json.loads(t.value.astype(str).to_json(orient="records")) for t in app.dataframe],
    }
found = [seen()]
if app.selectbox:
    app.selectbox[0].select_index(len(app.selectbox[0].options) - 1).run()
    found.append(seen())
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment = tmp_path_factory.mktemp("streamlit") / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "-q", *PACKAGES], check=True)
    return environment / "bin" / "python"


def seen_by(python: Path, file: Path, folder: Path) -> list[dict[str, list[object]]]:
    """What the page shows at first, and with the last campaign chosen."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ = kept | {"WAREHOUSE_FILE": str(file), "HOME": str(folder), "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"}
    done = subprocess.run(
        [python, "-c", RUN, PROJECT / "examples" / "streamlit_app.py"], env=environ, cwd=folder, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, list[object]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_dashboard_shows_what_sql_says_for_each_campaign(python: Path, tmp_path: Path) -> None:
    settings = plant(tmp_path / "data", account(), syncs=SYNCS)
    publish(settings, build(settings))
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        campaigns = connection.execute(
            "select campaign_id from marts.campaign_performance order by campaign_name, campaign_id"
        ).fetchall()
        wanted = [
            connection.execute(
                "select unit, sum(owed_count), sum(owed_value) from marts.reward_liability where campaign_id = ? "
                "group by unit order by unit",
                [campaign],
            ).fetchall()
            for campaign in (campaigns[0][0], campaigns[-1][0])
        ]
    assert any(wanted), "something is owed"
    pages = seen_by(python, settings.warehouse_path, tmp_path)
    for page, owed in zip(pages, wanted, strict=True):
        assert page["errors"] == []
        assert "Data as of 20" in str(page["captions"])
        funnel, shown = page["tables"]
        assert funnel
        assert isinstance(shown, list)
        assert [(row["unit"], row["owed_count"], row["owed_value"]) for row in shown] == [
            tuple(map(str, row)) for row in owed
        ]


def test_a_missing_warehouse_is_reported_in_words(python: Path, tmp_path: Path) -> None:
    [page] = seen_by(python, tmp_path / "none.duckdb", tmp_path)
    assert "Set WAREHOUSE_FILE to the published warehouse" in str(page["errors"])


def test_the_settings_of_the_example_are_those_that_the_docs_name() -> None:
    assert "WAREHOUSE_FILE=data/warehouse.duckdb streamlit run examples/streamlit_app.py" in (
        PROJECT / "docs" / "bi.md"
    ).read_text("utf-8")
    assert Settings().warehouse_path.name == "warehouse.duckdb"
