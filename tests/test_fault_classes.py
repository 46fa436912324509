"""The table of fault classes names, for each class, tests that exist and that the detailed table lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fault_matrix import PROJECT, SECTIONS

PAGE = PROJECT / "docs" / "fault-classes.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| class ")
]
LISTED = {file for files in SECTIONS.values() for file in files}


def files_of(row: list[str]) -> list[str]:
    return [f"tests/{name}" for name in re.findall(r"`([\w/]+\.py)`", row[3])]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_class_names_its_entry_its_outcome_and_its_tests(row: list[str]) -> None:
    assert len(row) == 4
    assert all(row)
    files = files_of(row)
    assert files
    for file in files:
        assert re.search(r"^def test_", Path(PROJECT / file).read_text(encoding="utf-8"), re.MULTILINE), file
        assert file in LISTED, f"{file} is not in the detailed table"


def test_every_new_kind_of_fault_gets_a_class() -> None:
    named = {file for row in ROWS for file in files_of(row)}
    sections = ("Clocks", "Refused publications", "After a publication", "Text from the account", "Damaged files")
    missing = {file for section in sections for file in SECTIONS[section]} - named
    assert missing <= {"tests/api/test_future_rate_limits.py", "tests/cli/test_origin.py"}
