"""Selects the tests that run with ``--storage ducklake``; some do not, because the storages differ there."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FOLDERS = ("cli", "consume", "destinations", "end_to_end", "operate", "report", "warehouse")
"""The folders of tests that publish, and read what was published."""
DIFFERENT: dict[str, str] = {
    "tests/warehouse/test_published.py::test_a_reader_in_default_mode_ends_no_publication":
        "it lists the folder that holds the directory, where the lake is too",
    "tests/consume/test_privacy_command.py::test_every_place_is_listed_with_what_it_holds_under_these_settings":
        "a lake is one more place that holds personal columns",
    "tests/cli/test_run_output.py::test_stages_of_a_whole_sync_are_logged_beside_its_summary":
        "a sync with a lake logs one line more",
}  # fmt: skip
"""The beginning of a test's name → why it is for one storage."""


def is_end_to_end(item: pytest.Item) -> bool:
    """Whether a test publishes and reads what was published."""
    return item.path.relative_to(TESTS).parts[0] in FOLDERS


def differs_between_storages(item: pytest.Item) -> str | None:
    """Why a test does not run with a lake; None where it does."""
    return next((reason for name, reason in DIFFERENT.items() if item.nodeid.startswith(name)), None)
