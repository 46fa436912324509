"""A scheduler has another environment than the shell that prints its file: settings of the shell alone are named."""

from __future__ import annotations

import pytest

from tests.cli.processes import PREFIX
from tests.operate.conftest import Run

OTHERS = f"{PREFIX}BASE_URL, {PREFIX}CALLS_PER_MINUTE"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--cron"], f"{PREFIX}API_TOKEN, {OTHERS}, WAREHOUSE__READERS_GROUP"),
        (["--systemd"], f"{PREFIX}API_TOKEN, {OTHERS}, WAREHOUSE__READERS_GROUP"),
        (["--systemd", "--token-file", "/etc/token"], f"{OTHERS}, WAREHOUSE__READERS_GROUP"),
        (["--kubernetes"], f"{OTHERS}, WAREHOUSE__READERS_GROUP"),
    ],
)
def test_settings_that_the_shell_alone_has_are_named(referrals: Run, arguments: list[str], named: str) -> None:
    done = referrals("schedule", *arguments, WAREHOUSE__READERS_GROUP="0", WAREHOUSE__KEEP_SNAPSHOTS=" ")
    assert done.code == 0
    [warning] = done.err.splitlines()
    assert f"that the scheduler does not have: {named}. Put them into .dlt/config.toml" in warning
    assert "tok-5e1f0a77c3" not in done.out + done.err


def test_nothing_is_named_where_the_files_have_all_settings(referrals: Run) -> None:
    """The directory is part of what is printed."""
    none = {f"{PREFIX}{key}": "" for key in ("API_TOKEN", "BASE_URL", "CALLS_PER_MINUTE")}
    done = referrals("schedule", "--cron", **none)
    assert (done.code, done.err) == (0, "")
    assert "WAREHOUSE__DIR=" in done.out


def test_the_token_of_an_account_is_a_setting_too(referrals: Run) -> None:
    none = {f"{PREFIX}{key}": "" for key in ("API_TOKEN", "BASE_URL", "CALLS_PER_MINUTE")}
    accounts = none | {"ACCOUNTS__UK__API_TOKEN": "token-of-uk-1234"}
    assert "does not have: ACCOUNTS__UK__API_TOKEN. Put" in referrals("schedule", "--cron", **accounts).err
    assert referrals("schedule", "--github-actions", **accounts).err == ""
