"""Which destinations are named, where their values come from, and which texts are masked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from referral_warehouse.errors import ConfigurationError
from referral_warehouse.redaction import redact
from referral_warehouse.settings import load_settings
from referral_warehouse.settings.destinations import load_destination

TOKEN = {"SOURCES__REFERRAL_FACTORY__API_TOKEN": "tok-5e1f0a77c3"}


def written(folder: Path, text: str, name: str = "secrets.toml") -> Path:
    (folder / ".dlt").mkdir(parents=True, exist_ok=True)
    path = folder / ".dlt" / name
    path.write_text(text)
    path.chmod(0o600)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_names_are_those_of_the_setting(here: Path, home: Path) -> None:
    def named(value: str) -> Any:
        return load_settings({"WAREHOUSE__DESTINATIONS": value}, here, home).destinations

    assert load_settings({}, here, home).destinations == ()
    assert named(" analytics , lake_2,analytics,") == ("analytics", "lake_2")
    assert named("a" * 48) == ("a" * 48,)
    written(home, '[warehouse]\ndestinations = ["analytics", "second"]\ndataset_name = "of_shop"\n')
    settings = load_settings({}, here, home)
    assert (settings.destinations, settings.dataset_name) == (("analytics", "second"), "of_shop")
    for wrong in ("Analytics", "a-b", "a__b", "_a", "1a", "a" * 49, "a" + "_b" * 24, 'a"; drop'):
        with pytest.raises(ConfigurationError, match="which is not a valid name"):
            named(wrong)


def test_the_environment_goes_before_files(here: Path, home: Path) -> None:
    written(
        home, '[destination.analytics]\ndestination_type = "duckdb"\n[destination.analytics.credentials]\nport = 5\n'
    )
    values = load_destination("analytics", {}, here, home)
    assert (values.kind, values.find("destination", "analytics", "credentials")) == ("duckdb", {"port": 5})
    values = load_destination("analytics", {"DESTINATION__ANALYTICS__DESTINATION_TYPE": "postgres"}, here, home)
    assert values.kind == "postgres"
    assert load_destination("postgres", {}, here, home).kind == "postgres", "the name itself, where none is given"


def test_a_file_of_the_working_directory_configures_nothing_for_a_token_from_elsewhere(here: Path, home: Path) -> None:
    text = '[destination.analytics]\ncredentials = "postgresql://somebody@else.example.com/db"\n'
    written(here, text)
    with pytest.raises(ConfigurationError, match="somebody else may have written that file"):
        load_destination("analytics", TOKEN, here, home).find("destination", "analytics", "credentials")
    written(here, text + '[sources.referral_factory]\napi_token = "tok-5e1f0a77c3"\n')
    found = load_destination("analytics", {}, here, home).find("destination", "analytics", "credentials")
    assert found == "postgresql://somebody@else.example.com/db"


def test_a_file_of_the_working_directory_names_no_destination_for_a_token_from_elsewhere(
    here: Path, home: Path
) -> None:
    written(here, '[warehouse]\ndestinations = "analytics"\n', "config.toml")
    with pytest.raises(ConfigurationError, match="Nothing is published to analytics"):
        load_settings(TOKEN, here, home)


@pytest.mark.parametrize(
    ("text", "secrets", "harmless"),
    [
        ("postgresql://loader:pa%40ss-word@db.example.com/analytics", ["pa%40ss-word", "pa@ss-word"], "analytics"),
        ("md:analytics?motherduck_token=eyJhbGciOiJIUzI1", ["eyJhbGciOiJIUzI1"], "analytics"),
        ('{"project_id": "a-project", "private_key": "-----BEGIN KEY"}', ["-----BEGIN KEY"], "a-project"),
    ],
)
def test_what_may_be_secret_is_masked_when_it_is_read(
    here: Path, home: Path, text: str, secrets: list[str], harmless: str
) -> None:
    values = load_destination("analytics", {"DESTINATION__ANALYTICS__CREDENTIALS": text}, here, home)
    assert values.find("destination", "analytics", "credentials") == text
    for secret in secrets:
        assert secret not in redact(f"an error with {secret} in it")
    assert harmless in redact(f"an error with {harmless} in it")


def test_values_of_a_table_are_masked_unless_they_say_where(here: Path, home: Path) -> None:
    written(
        home,
        "[destination.analytics.credentials]\n"
        'host = "db.example.com"\nusername = "loader"\npassword = "in-a-table-7f3"\naccess_key = "another-9d1c"\n',
    )
    values = load_destination("analytics", {}, here, home)
    assert values.find("destination", "analytics", "credentials", "password") == "in-a-table-7f3"
    values.find("destination", "analytics", "credentials")
    text = redact("db.example.com loader in-a-table-7f3 another-9d1c")
    assert text == "db.example.com loader *** ***"
