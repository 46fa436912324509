"""What every test begins with: only the secrets that were registered outside of tests, and no time limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

from referral_warehouse import redaction
from tests.chromium import NO_BROWSER

# No test depends on how fast a machine is.
settings.register_profile("any speed", deadline=None)
settings.load_profile("any speed")


@pytest.fixture(autouse=True)
def secrets_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the tokens of a test afterwards: made-up ones may be ordinary words, which later tests look for."""
    monkeypatch.setattr(redaction, "_secrets", set(redaction._secrets))
    monkeypatch.setattr(redaction, "_pattern", redaction._pattern)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which tests did not run because this machine has no browser: a skipped test is one letter otherwise."""
    without = [found for found in terminalreporter.stats.get("skipped", []) if NO_BROWSER in str(found.longrepr)]
    if without:
        terminalreporter.write_line(f"{len(without)} tests of the report did not run: {NO_BROWSER}.", yellow=True)
