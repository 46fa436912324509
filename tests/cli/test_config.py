"""``referrals config`` shows every setting, its value and its origin, as a TOML file or as JSON, never the token."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from referral_warehouse.cli import cli
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.settings import load_settings
from referral_warehouse.settings.table import TABLE

SOURCE = "SOURCES__REFERRAL_FACTORY__"
TOKEN = "tok-planted-41de"
SECRETS = f"""
[sources.referral_factory]
api_token = '{TOKEN}'
concurrency = '4'
[warehouse.reward_units]
'Café "x" \\' = 'EUR'
"campaign:3" = "GBP"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("SOURCES__", "WAREHOUSE__"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text(SECRETS)
    (tmp_path / ".dlt" / "secrets.toml").chmod(0o600)
    return tmp_path


def config(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, ["config", *arguments], env=environ)


def test_json_has_every_setting_with_its_value_and_origin(folder: Path) -> None:
    done = config("--json", **{f"{SOURCE}TIMEOUT_S": '"30"', "WAREHOUSE__DIR": "~/here"})
    [line] = done.stdout.splitlines()
    found = {row["name"]: row for row in json.loads(line)["settings"]}
    assert list(found) == [setting.name for setting in TABLE]
    secrets = str(folder / ".dlt" / "secrets.toml")
    shown = {
        "SOURCES__REFERRAL_FACTORY__API_TOKEN": ("***", secrets),
        "SOURCES__REFERRAL_FACTORY__API_TOKEN_FILE": (None, "default"),
        "SOURCES__REFERRAL_FACTORY__CONCURRENCY": (4, secrets),
        "SOURCES__REFERRAL_FACTORY__TIMEOUT_S": (30, "SOURCES__REFERRAL_FACTORY__TIMEOUT_S"),
        "SOURCES__REFERRAL_FACTORY__OVERLAP_DAYS": (1, "default"),
        "WAREHOUSE__DIR": (str(folder / "home" / "here"), "WAREHOUSE__DIR"),
        "WAREHOUSE__REWARD_UNITS": ({'Café "x" \\': "EUR", "campaign:3": "GBP"}, secrets),
    }
    assert {name: (found[name]["value"], found[name]["origin"]) for name in shown} == shown
    assert json.loads(line)["files"] == [secrets]
    assert TOKEN not in done.output


def test_the_text_is_a_file_with_the_same_values(folder: Path) -> None:
    (folder / "token").write_text(TOKEN)
    (folder / ".dlt" / "secrets.toml").write_text(SECRETS.replace("api_token", "# api_token"))
    done = config(
        **{f"{SOURCE}API_TOKEN_FILE": "token", f"{SOURCE}SIMULATED_TIME": "yes", f"{SOURCE}BASE_URL": "http://[::1]:1"}
    )
    assert done.exit_code == 0, done.output
    assert TOKEN not in done.output
    assert '# api_token = "***"' in done.output
    [token] = [line for line in done.stdout.splitlines() if line.startswith("# api_token =")]
    assert token.endswith(f"# {folder / 'token'}")
    [simulated] = [line for line in done.stdout.splitlines() if line.startswith("simulated_time")]
    assert simulated.split() == ["simulated_time", "=", "true", "#", "SOURCES__REFERRAL_FACTORY__SIMULATED_TIME"]
    expected = load_settings({
        f"{SOURCE}API_TOKEN_FILE": "token", f"{SOURCE}SIMULATED_TIME": "yes", f"{SOURCE}BASE_URL": "http://[::1]:1"
    })  # fmt: skip
    other = folder / "other"
    (other / ".dlt").mkdir(parents=True)
    (other / ".dlt" / "config.toml").write_text(done.stdout)
    again = load_settings({}, other, other)
    differing = {"files", "is_directory_relative", "api_token"}
    for name in set(type(expected).__dataclass_fields__) - differing:
        assert getattr(again, name) == getattr(expected, name), name
    assert again.api_token is not None
    assert tomllib.loads(done.stdout)["sources"]["referral_factory"]["concurrency"] == 4


def test_what_is_wrong_is_an_error_here_too(folder: Path) -> None:
    done = config(**{f"{SOURCE}CONCURRENCY": "many"})
    assert isinstance(done.exception, ConfigurationError)
    assert done.stdout == ""
