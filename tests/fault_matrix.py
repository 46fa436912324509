"""Makes the table of faults from the names of the tests: what may go wrong, and which test shows the outcome.

``python -m tests.fault_matrix`` writes it; tests/test_fault_matrix.py fails where it is not current.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.collected import collected

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "faults.md"
VALUES_FILE = "tests/end_to_end/test_wrong_responses.py"
SECTIONS: dict[str, tuple[str, ...]] = {
    "The rate limit and its violations": (
        "tests/api/test_rate_limiter.py", "tests/api/test_budget_used.py", "tests/api/test_call_store.py",
        "tests/api/test_budget_run.py", "tests/api/test_client_limits.py", "tests/cli/test_strikes.py",
        "tests/api/test_violations_of_an_address.py",
    ),
    "Retries": (
        "tests/api/test_client_faults.py", "tests/api/test_retry.py", "tests/api/test_slow_calls.py",
        "tests/api/test_challenge_pages.py",
    ),
    "Connections, TLS and HTTP": (
        "tests/api/test_tls.py", "tests/api/test_lasting_tls_errors.py", "tests/api/test_transport.py",
        "tests/api/test_odd_http.py",
    ),
    "Responses without an end": (
        "tests/api/test_endless_responses.py", "tests/api/test_endless_lists.py", "tests/cli/test_endless_server.py",
    ),
    "Wrong responses": (
        "tests/end_to_end/test_wrong_responses.py", "tests/api/test_huge_bodies.py", "tests/load/test_load_fuzz.py",
        "tests/load/test_extreme_json.py", "tests/end_to_end/test_extreme_records.py",
        "tests/load/test_load_quarantine.py", "tests/warehouse/test_quarantine_share.py",
        "tests/end_to_end/test_quirks.py",
    ),
    "Sums beyond the type of a column": (
        "tests/warehouse/test_extreme_values.py", "tests/warehouse/test_extreme_amounts.py",
        "tests/end_to_end/test_sums_published.py",
    ),
    "Paths, and settings of other programs": (
        "tests/test_paths.py", "tests/load/test_directory_characters.py", "tests/end_to_end/test_directory_names.py",
        "tests/load/test_dlt_settings_of_others.py", "tests/end_to_end/test_foreign_settings.py",
    ),
    "Clocks": (
        "tests/load/test_observation_clock.py", "tests/load/test_wrong_dates.py", "tests/load/test_clock_repair.py",
        "tests/cli/test_clock_commands.py", "tests/api/test_future_rate_limits.py",
        "tests/warehouse/test_impossible_dates.py",
    ),
    "What runs see of the rewards": (
        "tests/end_to_end/test_runs_that_fail.py", "tests/warehouse/test_every_reward_mart.py",
    ),
    "Refused publications": (
        "tests/warehouse/test_history_guard.py", "tests/end_to_end/test_another_account.py",
        "tests/test_disappearance.py", "tests/end_to_end/test_mass_disappearance.py",
    ),
    "After a publication": (
        "tests/warehouse/test_after_publication.py", "tests/warehouse/test_published.py",
        "tests/cli/test_locked_warehouse.py", "tests/cli/test_output_lost.py",
    ),
    "Text from the account": (
        "tests/test_display_text.py", "tests/cli/test_hostile_text.py", "tests/load/test_hostile_statuses.py",
    ),
    "The environment of a process": (
        "tests/cli/test_environment.py", "tests/cli/test_start_signals.py", "tests/cli/test_limits.py",
        "tests/test_settings_values.py", "tests/settings/test_unknown_names.py", "tests/settings/test_places.py",
        "tests/settings/test_secret_files.py", "tests/test_base_url.py", "tests/api/test_network_environment.py",
        "tests/installed/test_built_packages.py", "tests/installed/test_any_machine.py",
        "tests/operate/test_other_owners.py",
    ),
    "Damaged files": (
        "tests/end_to_end/test_damaged_directory.py", "tests/warehouse/test_damaged_publication.py",
        "tests/load/test_damaged_dlt_folder.py", "tests/api/test_damaged_call_store.py", "tests/cli/test_origin.py",
        "tests/test_warehouse_lock.py",
    ),
    "Backups, restores and upgrades": (
        "tests/operate/test_backup.py", "tests/operate/test_backup_owners.py", "tests/end_to_end/test_backup_kills.py",
    ),
    "Destinations of deliveries": (
        "tests/destinations/test_delivery_commands.py", "tests/destinations/test_delivery_kills.py",
        "tests/destinations/test_delivery_by_views.py", "tests/destinations/test_tables_sent_whole.py",
    ),
    "The lake": (
        "tests/lake/test_lake_faults.py", "tests/lake/test_lake_kills.py", "tests/lake/test_lake_lock.py",
        "tests/lake/test_lake_readers.py", "tests/lake/test_lake_maintenance.py", "tests/lake/test_lake_publication.py",
        "tests/lake/test_lake_damaged_files.py", "tests/settings/test_lake_target.py",
    ),
    "Several accounts": (
        "tests/accounts/test_published_together.py", "tests/accounts/test_account_migration.py",
        "tests/accounts/test_interrupted_publications.py", "tests/accounts/test_personal_data.py",
        "tests/accounts/test_signals.py", "tests/accounts/test_account_directories.py",
        "tests/settings/test_accounts.py",
    ),
    "Secrets": ("tests/end_to_end/test_secrets.py",),
    "Output of a run": ("tests/cli/test_run_output.py",),
    "Outcomes of runs and notifications": (
        "tests/operate/test_status.py", "tests/operate/test_outcome_log.py", "tests/operate/test_announcements.py",
        "tests/operate/test_receivers.py", "tests/operate/test_notify_settings.py",
        "tests/operate/test_repeated_sync.py", "tests/operate/test_schedules.py",
    ),
}  # fmt: skip
HEAD = """# Tested faults

Made from the names of the tests by `python -m tests.fault_matrix`: each row is a test that runs the real client against
a real socket, a real file or a real process, and fails where the row stops being true.
"""
# What pytest makes up where a case has no name of its own.
_NAMELESS = re.compile(r"[a-z_]+\d+(-.*)?|\W*")


def collect() -> dict[str, dict[str, list[str]]]:
    """File → test → its named cases, in the order in which they stand."""
    files = [file for section in SECTIONS.values() for file in section]
    found: dict[str, dict[str, list[str]]] = {file: {} for file in files}
    code, text = collected("-m", "full or not full", *files)
    assert code == 0, text
    for line in text.splitlines():
        if match := re.fullmatch(r"(tests/\S+?\.py)::(test_\w+)(?:\[(.*)\])?", line):
            cases = found[match[1]].setdefault(match[2], [])
            if match[3] and not _NAMELESS.fullmatch(match[3]):
                cases.append(match[3])
    [one] = [test for test in found[VALUES_FILE] if test.startswith("test_each_value_")]
    found[VALUES_FILE][one] = list(_written_values())
    return found


def _written_values() -> Iterator[str]:
    """The values that one test sends, each in a row of its own: ``field = text``, as its table has them."""
    tree = ast.parse((PROJECT / VALUES_FILE).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "VALUES":
            assert isinstance(node.value, ast.List)
            for row in node.value.elts:
                assert isinstance(row, ast.Tuple)
                _, field, text, _ = (part.value if isinstance(part, ast.Constant) else None for part in row.elts)
                yield f"{field!s} = `{text or 'a text of 10 MB'!s}`"


def render(found: dict[str, dict[str, list[str]]]) -> str:
    """The page as Markdown."""
    lines = [HEAD]
    for title, files in SECTIONS.items():
        lines += [f"## {title}", "", "| what is shown | with | test |", "|---|---|---|"]
        for file in files:
            for test, cases in found[file].items():
                sentence = test.removeprefix("test_").replace("_", " ")
                shown = " · ".join(case.replace("|", "\\|") for case in cases)
                lines.append(f"| {sentence} | {shown} | `{file.removeprefix('tests/')}` |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(render(collect()), encoding="utf-8")
