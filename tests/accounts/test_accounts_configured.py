"""``config`` and ``init`` of several accounts: what applies to each, and where a token is written."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from click.testing import CliRunner

from referral_warehouse.cli import cli
from referral_warehouse.settings import Settings, load_settings
from tests.accounts.conftest import UK_TOKEN, US_TOKEN, Run


def test_the_settings_of_an_account_are_shown_in_its_section(referrals: Run) -> None:
    done = referrals("config", "--account", "us", ACCOUNTS__US__OVERLAP_DAYS="3")
    assert done.code == 0, done.err
    shown = tomllib.loads(done.out)
    assert shown["accounts"]["us"]["overlap_days"] == 3
    assert "overlap_days" not in shown["sources"]["referral_factory"]
    assert shown["sources"]["referral_factory"]["timeout_s"] == 60
    assert "# ACCOUNTS__US__OVERLAP_DAYS" in done.out
    assert US_TOKEN not in done.out


def test_the_settings_of_all_name_the_accounts(referrals: Run) -> None:
    done = referrals("config")
    assert done.out.startswith("# The accounts are uk, us; --account NAME shows what applies to one.")
    assert "accounts" not in tomllib.loads(done.out)
    found = json.loads(referrals("config", "--json").out)
    assert found["accounts"] == ["uk", "us"]
    assert UK_TOKEN not in done.out + json.dumps(found)


def test_a_new_account_gets_a_section_with_its_token(together: Settings, referrals: Run, tmp_path: Path) -> None:
    """A third account, beside two that the environment has; its API is that of the second."""
    address = load_settings(account="us").base_url
    environ = {"ACCOUNTS__FR__BASE_URL": address, "ACCOUNTS__FR__CALLS_PER_MINUTE": "0"}
    result = CliRunner(env=environ).invoke(cli, ["init", "--account", "fr"], input="tok-fr-0123456789\n", obj={})
    assert result.exit_code == 0, result.output
    path = tmp_path / ".dlt" / "secrets.toml"
    assert tomllib.loads(path.read_text())["accounts"] == {"fr": {"api_token": "tok-fr-0123456789"}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_settings(account="fr").api_token is not None
    assert together.accounts == ("uk", "us")
    assert load_settings().accounts == ("fr", "uk", "us")
