"""One published account and its report for all tests of the report, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from referral_warehouse.consume.report import ReportOptions, write_report
from referral_warehouse.settings import Settings
from tests.chromium import NO_BROWSER, chromium, chromium_path
from tests.report.report_account import publish_account

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a directory with an account that has something for every section."""
    return publish_account(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def report(published: Settings) -> Path:
    """The report on all campaigns, with names."""
    path = published.warehouse_dir.parent / "named.html"
    write_report(published, path, ReportOptions(has_names=True))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; without one the test is skipped. While it is open, nobody else can run an event loop."""
    if chromium_path() is None:
        pytest.skip(NO_BROWSER)
    with chromium() as browser:
        yield browser
