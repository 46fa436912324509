"""The documentation agrees with the code: links, settings, commands, switches of the sandbox, paths and exit codes."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import click
import pytest

from referral_warehouse import errors
from referral_warehouse.cli import COMMANDS, cli
from referral_warehouse.errors import ConfigurationError, ReferralsError
from referral_warehouse.settings import Settings, load_settings
from referral_warehouse.settings.table import NOTIFY, TABLE
from tests.documentation import (
    LINK,
    PAGES,
    PROJECT,
    anchors_of,
    is_stub,
    queries_of,
    section,
    table_rows,
    without_fences,
)  # fmt: skip
from tests.fences import fences_of

SETTINGS = [row for row in table_rows(PAGES["docs/settings.md"]) if len(row) == 4]
RANGES = {row[0].strip("`"): row[2] for row in SETTINGS if " to " in row[2]}
LOCAL = {"SOURCES__REFERRAL_FACTORY__BASE_URL": "http://127.0.0.1:1/api/v1"}
COMMON_OPTIONS = {"--verbose", "--log-format", "--help", "-h"}
NAMED_PATH = re.compile(r"`((?:pipelines|sql|tests|docs|\.github|\.ci)/[\w./-]*)`")


def links_of(page: str) -> list[str]:
    return [link for link in LINK.findall(without_fences(PAGES[page])) if not link.startswith(("http:", "https:"))]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        target = ((PROJECT / page).parent / path).resolve() if path else PROJECT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors_of(str(target.relative_to(PROJECT))), f"{page}: {link}"


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_the_readme_links_every_page_that_is_written(page: str) -> None:
    assert (page in links_of("README.md")) != is_stub(page)


def test_the_readme_fits_three_screens() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_paths_that_a_page_names_exist(page: str) -> None:
    named = NAMED_PATH.findall(without_fences(PAGES[page]))
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {row[0].strip("`"): row[1].strip("`") for row in SETTINGS}
    defaults = Settings()
    expected = {}
    for setting in TABLE:
        value = getattr(defaults, setting.attribute, setting.kind.default)
        value = "data" if setting.attribute == "warehouse_dir" else value
        expected[setting.name] = "–" if value is None or value == () else str(value).lower()
    assert documented == expected


def test_every_field_of_the_settings_has_a_row_in_the_table() -> None:
    said_of_files = {"warnings", "files", "is_directory_relative", "accounts", "account", "together"}
    assert {spec.name for spec in fields(Settings)} - said_of_files == {
        setting.attribute for setting in TABLE if not getattr(setting.kind, "holds", "") and setting.section != NOTIFY
    }


@pytest.mark.parametrize("name", RANGES)
def test_the_documented_range_of_a_setting_is_what_is_accepted(name: str, tmp_path: Path) -> None:
    low, high = (int(bound) for bound in RANGES[name].split(" to "))
    for accepted in (low, high):
        load_settings(environ={**LOCAL, name: str(accepted)}, folder=tmp_path, home=tmp_path)
    for refused in (low - 1, high + 1):
        with pytest.raises(ConfigurationError, match=name):
            load_settings(environ={**LOCAL, name: str(refused)}, folder=tmp_path, home=tmp_path)


@pytest.mark.parametrize("text", [fence.text for fence in fences_of(PAGES["docs/settings.md"]) if fence.info == "toml"])
def test_toml_examples_are_settings(text: str, tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(text, encoding="utf-8")
    settings = load_settings(environ={}, folder=tmp_path, home=tmp_path)
    stated = tomllib.loads(text)
    if "sources" in stated:
        assert settings.concurrency == stated["sources"]["referral_factory"]["concurrency"]
    tables = {key: dict(getattr(settings, key)) for key in ("reward_units", "settles_on", "expires_after_days")}
    given = {key: value for key, value in stated["warehouse"].items() if isinstance(value, dict)}
    assert {key: table for key, table in tables.items() if table} == given != {}


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def options_of(name: str) -> set[str]:
    return {option for param in command(name).params for option in param.opts if option.startswith("-")}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_documented(name: str) -> None:
    rows = table_rows(section("docs/commands.md", f"`referrals {name}`"))
    quirks = {option for option in options_of(name) if option.startswith("--quirk-")}
    assert {row[0].strip("`") for row in rows} == options_of(name) - quirks - COMMON_OPTIONS - {"--account", "--part"}


@pytest.mark.parametrize("name", ["sandbox", "demo"])
def test_documented_defaults_of_options_are_those_of_the_command(name: str) -> None:
    defaults = {param.opts[0]: param.default for param in command(name).params}
    for option, shown, _ in table_rows(section("docs/commands.md", f"`referrals {name}`")):
        if shown != "–":
            assert str(defaults[option.strip("`")]) == shown.strip("`"), option


def test_every_command_that_takes_an_account_is_listed() -> None:
    rows = table_rows(section("docs/accounts.md", "Commands for one account"))
    listed = {name.split()[0] for row in rows[:1] + rows[2:] for name in re.findall(r"`([a-z][^`]*)`", row[0])}
    assert listed == {name for name in COMMANDS if "--account" in options_of(name)}


def test_the_options_of_every_command_are_those_they_share() -> None:
    rows = table_rows(section("docs/commands.md", "Options of every command"))
    assert {option.strip("`") for row in rows for option in row[0].split(", ")} == COMMON_OPTIONS
    for name in COMMANDS:
        assert name == "sandbox" or options_of(name) >= {"--verbose", "--log-format"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_runs(name: str) -> None:
    fences = [fence.text for fence in fences_of(section("docs/commands.md", f"`referrals {name}`"))]
    assert any(line.startswith(f"referrals {name}") for text in fences for line in text.splitlines())


def test_every_switch_of_the_sandbox_is_documented() -> None:
    rows = table_rows(section("docs/sandbox.md", "Switches for quirks"))
    switches = {option for option in options_of("sandbox") if option.startswith("--quirk-")}
    documented = [row[0].split("`")[1].split()[0] for row in rows]
    assert sorted(documented) == sorted(switches)


def test_every_exit_code_of_an_error_is_documented() -> None:
    codes = {code for row in table_rows(section("docs/operations.md", "Exit codes")) for code in row[0].split(", ")}
    used = {
        str(kind.exit_code)
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ReferralsError)
    }
    assert used | {"0", "130", "143"} == codes


def test_every_published_table_of_the_marts_is_queried_somewhere() -> None:
    queried = {
        table for page in PAGES for query in queries_of(page) for table in re.findall(r"marts\.(\w+)", query.text)
    }
    assert queried == {path.stem for path in (PROJECT / "sql" / "marts").glob("*.sql")}
