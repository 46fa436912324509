"""The report in a real browser: it draws, adapts, loads nothing, and can be used without eyes or a mouse."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from referral_warehouse.consume.report import ReportOptions, write_report
from referral_warehouse.consume.report.formats import name
from referral_warehouse.settings import Settings
from tests.chromium import DESKTOP, PHONE, Opened
from tests.report.report_account import CAMPAIGN_NAMES, FIRST_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

AXE = files("axe_playwright_python") / "axe.min.js"
# What each chart of the scope drew: marks that have a place, by kind. Groups of axes and legends do not count.
DRAWN = """scope => [...document.querySelectorAll(`#scope-${scope} .chart`)].map(place => ({
    id: place.id, width: place.clientWidth,
    marks: [...place.querySelectorAll(".role-mark > path, .role-mark > text, .role-mark > line")]
        .filter(mark => mark.getAttribute("d") !== "" || mark.textContent).length,
}))"""
MARKS_OF = {
    "funnel": lambda rows: 2 * len(rows),
    "rules": lambda rows: 2 * len(rows),
    "trend": lambda rows: len({row["period"] for row in rows}),
    "cohorts": lambda rows: 2 * len(rows),
    "waterfall": lambda rows: 2 * len(rows),
    "ageing": len,
    "interval": lambda rows: 3 * len(rows),
    "parts": len,
    "coupons": len,
    "runs": len,
}
"""The fewest marks that a kind of chart draws for its rows."""


@pytest.fixture(scope="module")
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    """The report in one tab; a test leaves it at the scope and size that it found."""
    with Opened(browser, report) as opened:
        yield opened


def data_of(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.locator("#data").text_content() or "")
    return found


def choose(page: Page, scope: str) -> None:
    page.select_option("#scope", scope)
    page.wait_for_selector(f"html[data-drawn='{scope}']")


def scopes_of(page: Page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("#scope option", "options => options.map(option => option.value)")
    return found


def test_every_chart_of_every_campaign_is_drawn_and_nothing_is_asked_or_complained_of(
    opened: Opened, report: Path
) -> None:
    charts = data_of(opened.page)["charts"]
    assert {chart["spec"] for chart in charts.values()} == set(MARKS_OF)
    seen = set()
    for scope in scopes_of(opened.page):
        choose(opened.page, scope)
        for place in opened.page.evaluate(DRAWN, scope):
            chart = charts[place["id"]]
            seen.add(place["id"])
            assert place["width"] > 0, place["id"]
            assert place["marks"] >= MARKS_OF[chart["spec"]](chart["rows"]), chart
    assert seen == set(charts)
    choose(opened.page, "all")
    assert opened.requests == [report.as_uri()]
    assert opened.complaints == []


def test_the_choice_shows_one_campaign_alone(opened: Opened) -> None:
    scopes = scopes_of(opened.page)
    assert scopes[0] == "all"
    assert len(scopes) > 3
    choose(opened.page, scopes[2])
    shown = "parts => parts.filter(part => part.checkVisibility()).map(part => part.dataset.scope)"
    assert opened.page.eval_on_selector_all("[data-scope]", shown) == [scopes[2]]
    choose(opened.page, "all")
    assert opened.page.eval_on_selector_all("[data-scope]", shown) == ["all"]


def test_light_dark_and_print_have_their_own_colours(opened: Opened) -> None:
    page = opened.page

    def colours() -> tuple[str, str, str]:
        found: list[str] = page.evaluate(
            """() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
            getComputedStyle(document.querySelector(".chart .mark-rect path")).fill]"""
        )
        return found[0], found[1], found[2]

    page.emulate_media(color_scheme="light")
    light = colours()
    page.emulate_media(color_scheme="dark")
    dark = colours()
    assert len({*light, *dark}) == 6, "each of the three changes, that of the charts too"
    page.click("#theme")
    assert colours() == light, "the button goes against the system"
    assert page.get_attribute("#theme", "aria-pressed") == "false"
    page.click("#theme")
    assert (colours(), page.get_attribute("#theme", "aria-pressed")) == (dark, "true")
    page.emulate_media(color_scheme="dark", media="print")
    assert colours()[:2] == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")
    page.emulate_media(color_scheme="light", media="screen")
    page.evaluate("() => delete document.documentElement.dataset.theme")


def test_no_width_scrolls_sideways(browser: Browser, report: Path) -> None:
    with Opened(browser, report, PHONE) as opened:
        opened.page.eval_on_selector_all("details", "all => all.forEach(part => part.open = true)")
        for width, height in (PHONE, (320, 640), (768, 1024), DESKTOP):
            opened.page.set_viewport_size({"width": width, "height": height})
            assert opened.page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_it_prints_on_pages_with_every_section(opened: Opened) -> None:
    printed = opened.page.pdf(prefer_css_page_size=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 3 <= pages <= 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, published: Settings, tmp_path: Path, scheme: str) -> None:
    # Two campaigns have every kind of part; axe reads hidden ones too, so that more only cost time.
    write_report(published, tmp_path / "two.html", ReportOptions(campaigns=("1", "2"), has_names=True))
    with Opened(browser, tmp_path / "two.html", color_scheme=scheme) as opened:
        opened.page.eval_on_selector_all("#scope-all details", "all => all.forEach(part => part.open = true)")
        opened.page.evaluate(AXE.read_text(encoding="utf-8"))
        # What depends on colours is looked at in both schemes, all else in one.
        only = "{runOnly: ['color-contrast'], resultTypes: ['violations']}" if scheme == "dark" else "{}"
        found = opened.page.evaluate(f"() => axe.run(document, {only})")
        assert found["testEngine"]["version"]
        violations = {(rule["impact"], rule["id"], rule["nodes"][0]["html"][:200]) for rule in found["violations"]}
        assert violations == set()


def test_keys_alone_reach_the_choice_the_figures_and_the_numbers(browser: Browser, report: Path) -> None:
    with Opened(browser, report) as opened:
        _use_keys(opened.page)


def _use_keys(page: Page) -> None:
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.id || document.activeElement.className || "
                                     "document.activeElement.tagName.toLowerCase()"))  # fmt: skip
    assert reached[0] == "skip"
    assert {"scope", "theme", "summary", "a"} <= set(reached)
    numbers = page.locator("#scope-all figure:has(.chart) details summary").first
    numbers.focus()
    page.keyboard.press("Enter")
    assert page.locator("#scope-all figure:has(.chart) details").first.get_attribute("open") is not None
    page.keyboard.press("Enter")


def test_every_chart_has_a_label_a_definition_and_its_numbers(opened: Opened) -> None:
    found = opened.page.eval_on_selector_all(
        "figure:has(.chart)",
        """figures => figures.map(figure => [
            figure.querySelector(".chart").getAttribute("aria-label").length > 10,
            figure.querySelectorAll("tbody tr").length > 0,
            figure.querySelector(".definition p").textContent.length > 40,
            document.getElementById(figure.querySelector(".definition a").hash.slice(1)) !== null,
        ])""",
    )
    assert len(found) > 20
    assert {tuple(row) for row in found} == {(True, True, True, True)}


def test_names_from_the_account_are_shown_and_do_nothing(opened: Opened) -> None:
    page = opened.page
    titles: list[str] = page.eval_on_selector_all("#scope option", "options => options.map(option => option.label)")
    assert {name(text) for text in CAMPAIGN_NAMES} <= set(titles)
    assert page.locator("td", has_text=FIRST_NAME).first.text_content() == FIRST_NAME
    assert page.eval_on_selector_all("script", "all => all.length") == 3
    assert page.eval_on_selector_all("img, iframe, [onload], [onerror], [onmouseover]", "all => all.length") == 0
    assert opened.complaints == []


def test_a_script_that_came_in_all_the_same_would_not_run(opened: Opened) -> None:
    blocked = opened.page.evaluate(
        """() => new Promise(done => {
            document.addEventListener("securitypolicyviolation", event => done(event.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
        })"""
    )
    assert (blocked, opened.page.evaluate("() => window.ran")) == ("script-src-elem", None)
    opened.page.evaluate("() => document.body.lastElementChild.remove()")
    assert "Content Security Policy" in opened.complaints[-1]
    opened.complaints.clear()


def test_the_page_of_one_campaign_has_no_choice_and_draws(
    browser: Browser, published: Settings, tmp_path: Path
) -> None:
    write_report(published, tmp_path / "one.html", ReportOptions(campaigns=("1",)))
    with Opened(browser, tmp_path / "one.html") as opened:
        assert opened.page.locator("#scope").count() == 0
        assert opened.page.locator(".chart svg").count() > 5
        assert opened.complaints == []
