"""Apache Superset imports the bundle and draws every chart of its dashboard, with the numbers that SQL has.

The way of a person: the command writes the bundle, its path is corrected, and the dashboard is opened in a browser.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml

from referral_warehouse.consume.description.describe import describe
from referral_warehouse.consume.description.superset import CHARTS, URI
from referral_warehouse.settings import Settings
from referral_warehouse.warehouse.build import build
from referral_warehouse.warehouse.publish import publish
from tests.chromium import chromium
from tests.consume.conftest import SYNCS, account
from tests.soak.superset_server import PASSWORD, USER, Superset, running_superset
from tests.warehouse.planting import plant

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response, Route

COUPONS = [
    {"id": number, "name": f"C{number}", "referral_id": number, "issued_at": f"2026-0{1 + number % 3}-05 00:00:00",
     "used_at": f"2026-0{1 + number % 3}-06 00:00:00"}
    for number in range(1, 9)
]  # fmt: skip
TITLES = [title for title, *_ in CHARTS]
DRAWN = """() => Object.fromEntries([...document.querySelectorAll(".dashboard-component-chart-holder")].map(place => {
    let coloured = 0;
    for (const canvas of place.querySelectorAll("canvas")) {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < data.length; i += 4) {
            const [red, green, blue] = data.subarray(i, i + 3);
            coloured += Math.max(red, green, blue) - Math.min(red, green, blue) > 40;
        }
    }
    return [place.innerText.split("\\n")[0].trim(), coloured];
}))"""
"""Title of each chart → how many pixels of a colour it has; axes and letters are grey."""
LEAST_COLOURED = 600
"""A line across a chart has a thousand and more, the legend of an empty chart some two hundred."""
TIMEOUT_MS = 120_000

# What the tables of two charts show, by SQL of its own: none of the bundle's expressions.
OWED_NOW = "select unit, sum(due_value) from core.rewards_due group by unit order by 2 desc"
OWED_BY_MONTH = """
select strftime(date_trunc('month', day_on), '%Y-%m-%d 00:00:00'),
    sum(closing_value) filter (where unit = 'type:Card'), sum(closing_value) filter (where unit = 'type:Cash')
from marts.reward_liability_daily
where day_on in (select max(day_on) from marts.reward_liability_daily group by date_trunc('month', day_on))
group by 1
order by 1
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = plant(tmp_path_factory.mktemp("superset") / "data", account() | {"coupons": COUPONS}, syncs=SYNCS)
    publish(settings, build(settings))
    return settings


@pytest.fixture(scope="module")
def bundle(warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the bundle, whose path to the warehouse is corrected as docs/bi.md says."""
    folder = tmp_path_factory.mktemp("bundle") / "referrals-superset"
    command = [sys.executable, "-m", "referral_warehouse", "docs", "--format", "superset", "--out", str(folder)]
    subprocess.run(command, check=True)
    database = folder / "referral_warehouse" / "databases" / "referral_warehouse.yaml"
    text = database.read_text(encoding="utf-8")
    corrected = URI.replace("/data/warehouse.duckdb", str(warehouse.warehouse_path))
    assert URI in text
    database.write_text(text.replace(URI, corrected), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def superset(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superset]:
    """A running Superset that has imported the bundle."""
    folder = tmp_path_factory.mktemp("superset-home")
    with running_superset(folder) as running:
        running.import_zip("dashboard", "formData", _zip(bundle, folder / "bundle"), overwrite="true")
        yield running


def _zip(bundle: Path, name: Path) -> Path:
    return Path(shutil.make_archive(str(name), "zip", bundle, "referral_warehouse"))


class Dashboard:
    """The dashboard in a tab: the requests and responses of its charts, and the errors of the page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self._url = page, url
        self.answers: list[tuple[int, Any]] = []
        self.complaints: list[str] = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", self._keep)
        page.route("**/*", self._block_other_hosts)
        page.goto(f"{url}/login/")
        page.fill("#username", USER)
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/superset/welcome/**")
        page.goto(f"{url}/superset/dashboard/referrals/")

    def wait_until_drawn(self) -> dict[str, int]:
        """Title of each chart → its coloured pixels, once every chart has enough of them."""
        enough = f"() => Object.values(({DRAWN})()).filter(found => found > {LEAST_COLOURED}).length === {len(TITLES)}"
        self.page.wait_for_function(enough)
        found: dict[str, int] = self.page.evaluate(DRAWN)
        return found

    def table_of(self, title: str) -> list[list[str]]:
        """The rows that "View as table" shows of a chart, without their numbers."""
        place = self.page.locator(".dashboard-component-chart-holder", has_text=title)
        place.locator("[aria-label='More Options']").click()
        self.page.get_by_text("View as table").locator("visible=true").click()
        rows = self.page.locator("[role=dialog] [role=row]:has([role=gridcell])")
        rows.first.wait_for()
        by_number: dict[str, list[str]] = {}
        for row in rows.all():
            number = row.get_attribute("row-index") or ""
            by_number.setdefault(number, []).extend(row.locator("[role=gridcell]").all_inner_texts())
        self.page.locator("[role=dialog] button", has_text="Close").locator("visible=true").click()
        self.page.locator("[role=dialog]").wait_for(state="hidden")
        return [cells[1:] for _, cells in sorted(by_number.items(), key=lambda item: int(item[0]))]

    def _keep(self, response: Response) -> None:
        if "/api/v1/chart/data" in response.url:
            self.answers.append((response.status, response.json()))

    def _block_other_hosts(self, route: Route) -> None:
        if route.request.url.startswith(f"{self._url}/"):
            route.continue_()
        else:
            route.abort()  # Superset's pages ask an address of others


def test_every_chart_is_drawn_and_shows_the_numbers_of_sql(superset: Superset, warehouse: Settings) -> None:
    with chromium() as browser, browser.new_context(viewport={"width": 1400, "height": 1500}) as context:
        dashboard = Dashboard(context.new_page(), superset.url)
        drawn = dashboard.wait_until_drawn()
        assert set(drawn) == set(TITLES)
        assert len(dashboard.answers) == len(TITLES)
        for status, answer in dashboard.answers:
            [result] = answer["result"]
            assert (status, result["status"], result["error"]) == (200, "success", None)
            assert result["rowcount"] > 0, result["query"]
        shown = {title: dashboard.table_of(title) for title in ("Owed now by unit", "Owed by month")}
        assert dashboard.complaints == []
    with duckdb.connect(str(warehouse.warehouse_path), read_only=True) as connection:
        now, by_month = (connection.execute(query).fetchall() for query in (OWED_NOW, OWED_BY_MONTH))
    assert [(unit, Decimal(value)) for unit, value in shown["Owed now by unit"]] == now
    assert [(month, *map(Decimal, values)) for month, *values in shown["Owed by month"]] == by_month
    assert by_month[0][1:] == (Decimal(0), Decimal("49.382712")), "the account is not empty"


def test_every_table_is_a_dataset_whose_metrics_run(superset: Superset) -> None:
    found: Any = superset.get("/api/v1/dataset/?q=(page_size:100)")
    described = describe()
    numbers = {f"{one['schema']}.{one['table_name']}": one["id"] for one in found}
    assert set(numbers) == {table.name for table in described.tables}
    for name in dict.fromkeys(metric.table for metric in described.metrics):
        metrics = [metric.name for metric in described.metrics_of(name)]
        units = [metric.unit_column for metric in described.metrics_of(name) if metric.unit_column]
        answer = superset.query(numbers[name], metrics, units[:1])
        assert answer["status"] == "success", answer["error"]
        assert set(metrics) <= set(answer["colnames"])


def test_a_later_import_as_assets_replaces_datasets_and_charts(
    superset: Superset, bundle: Path, tmp_path: Path
) -> None:
    """An import under Dashboards leaves the datasets and charts that are there as they are."""
    copy = shutil.copytree(bundle, tmp_path / "later")
    [path] = copy.rglob("marts_reward_liability.yaml")
    changed = yaml.safe_load(path.read_text(encoding="utf-8"))
    changed["description"] = "Another description."
    path.write_text(yaml.safe_dump(changed), encoding="utf-8")

    def description() -> str:
        found: Any = superset.get("/api/v1/dataset/?q=(page_size:100)")
        [number] = [one["id"] for one in found if one["table_name"] == "reward_liability"]
        dataset: Any = superset.get(f"/api/v1/dataset/{number}")
        text: str = dataset["description"]
        return text

    superset.import_zip("dashboard", "formData", _zip(copy, tmp_path / "dashboard"), overwrite="true")
    assert description() != "Another description."
    metadata = copy / "referral_warehouse" / "metadata.yaml"
    text = metadata.read_text(encoding="utf-8")
    assert "type: Dashboard" in text
    metadata.write_text(text.replace("type: Dashboard", "type: assets"), encoding="utf-8")
    superset.import_zip("assets", "bundle", _zip(copy, tmp_path / "assets"))
    assert description() == "Another description."
