"""The table of faults in the documentation agrees with the tests."""

from __future__ import annotations

from tests.fault_matrix import HEAD, PAGE, SECTIONS, collect, render


def test_the_table_of_faults_is_current() -> None:
    found = collect()
    assert all(found.values()), "each file has tests"
    assert PAGE.read_text(encoding="utf-8") == render(found), "run: python -m tests.fault_matrix"


def test_a_case_is_named_and_its_bars_do_not_end_a_cell() -> None:
    [first, *_] = SECTIONS["Secrets"]
    nothing: dict[str, dict[str, list[str]]] = {file: {} for files in SECTIONS.values() for file in files}
    page = render(nothing | {first: {"test_it_holds": ["a|b", "c"]}})
    assert page.startswith(HEAD)
    assert "| it holds | a\\|b · c | `end_to_end/test_secrets.py` |" in page
