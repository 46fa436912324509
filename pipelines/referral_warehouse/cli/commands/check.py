"""``check``: shows what the API supports for this account, one line per finding."""

from __future__ import annotations

from pathlib import Path

import click

from referral_warehouse.cli.account_check import AccountCheck, check_account, print_check
from referral_warehouse.cli.accounts.choice import account_option
from referral_warehouse.cli.configuration import with_token
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.settings.sources import FILE_NAMES, home_folder, is_open_to_others, working_folder
from referral_warehouse.settings.toml_files import MAX_TOML_BYTES
from referral_warehouse.workspace.text_files import UnreadableFile, read_text_file


@click.command(epilog="Example: referrals check")
@click.option("--json", "as_json", is_flag=True, help="Print one machine-readable line.")
@logging_options
@account_option
def check(as_json: bool) -> None:
    """Show what this account's API supports, one line each, with advice."""
    from referral_warehouse.cli.console import say_json
    from referral_warehouse.cli.run_logging import open_log
    from referral_warehouse.load.capability_check import Finding

    settings = with_token()
    files = [Finding(state, "token file", text) for state, text in _token_files(working_folder(), home_folder())]
    with open_log():
        found = check_account(settings)
    found = AccountCheck([*files, *found.findings], found.calls)
    if as_json:
        findings = [{"state": f.state, "subject": f.subject, "text": f.text} for f in found.findings]
        say_json({"calls": found.calls, "findings": findings})
        return
    print_check(found, settings)


def _token_files(*folders: Path | None) -> list[tuple[str, str]]:
    """Every file that may contain the token: one that other users can read is a problem."""
    found = []
    for path in dict.fromkeys(folder / ".dlt" / name for folder in folders if folder for name in FILE_NAMES):
        try:
            text = read_text_file(path, MAX_TOML_BYTES)
        except (OSError, UnreadableFile):
            continue
        if path.name != FILE_NAMES[0] and "api_token" not in text:
            continue
        if is_open_to_others(path):
            found.append(("problem", f"{path} can be read by others; run: chmod 600 {path}"))
        else:
            found.append(("ok", f"{path} is readable by you alone"))
    return found
