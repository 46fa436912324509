"""Status, the log of a run and the creation of a directory report which directory and files are used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from referral_warehouse.cli import cli
from referral_warehouse.errors import ConfigurationError
from tests.account_server import AccountServer
from tests.cli.processes import PREFIX

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def server() -> Iterator[AccountServer]:
    with AccountServer() as running:
        yield running


@pytest.fixture
def environ(server: AccountServer, tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SOURCES__", "WAREHOUSE__"))}
    return kept | {
        f"{PREFIX}BASE_URL": server.base_url, f"{PREFIX}API_TOKEN": "in-use-test-token", "HOME": str(tmp_path / "home"),
        f"{PREFIX}CALLS_PER_MINUTE": "0", "XDG_STATE_HOME": str(tmp_path / "xdg"),
    }  # fmt: skip


@pytest.fixture
def invoke(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SOURCES__", "WAREHOUSE__"))]:
        monkeypatch.delenv(name)
    return lambda *arguments, **changes: CliRunner().invoke(cli, arguments, env=environ | changes)


def test_another_working_directory_does_not_silently_start_a_second_warehouse(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "here" / ".dlt" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[sources.referral_factory]\nconcurrency = 2\n")
    monkeypatch.chdir(tmp_path / "here")
    data = tmp_path / "here" / "data"
    first = invoke("load", "--json")
    assert json.loads(first.stdout)["rows_written"] > 0
    [line] = first.stderr.splitlines()
    assert line.startswith(
        f"referrals: Created a new warehouse directory: {data}. WAREHOUSE__DIR is not an absolute path"
    )
    again = invoke("--log-format", "json", "load", "--json")
    assert "Created" not in again.stderr
    settings, *_ = [json.loads(line) for line in again.stderr.splitlines()]
    assert settings["event"] == "directory"
    assert settings["directory"] == str(data)
    assert settings["settings_files"] == [str(config)]
    assert settings["is_directory_new"] is False
    assert settings["message"] == f"directory {data}; settings: the environment, {config}"
    assert "in-use-test-token" not in again.stderr


def test_an_absolute_directory_is_announced_among_the_results(invoke: Invoke, tmp_path: Path) -> None:
    first = invoke("load", WAREHOUSE__DIR=str(tmp_path / "far"))
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.splitlines()[0] == f"Created a new warehouse directory: {tmp_path / 'far'}"


@pytest.mark.parametrize("columns", ["", "40"])
def test_status_names_the_directory_and_the_files(
    invoke: Invoke, tmp_path: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", columns)  # a path stays in one line all the same
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("[warehouse]\ndir = 'there'\n")
    files = f"Settings: the environment, {tmp_path / '.dlt' / 'config.toml'}"
    new = "There is no warehouse in this directory yet: the first sync creates it."
    said = invoke("status").stdout.splitlines()
    assert {f"Directory: {tmp_path / 'there'}", files, new} <= set(said)
    facts = json.loads(invoke("status", "--json").stdout)
    assert facts["directory"] == str(tmp_path / "there")
    assert facts["settings_files"] == [str(tmp_path / ".dlt" / "config.toml")]
    assert facts["is_directory_new"] is True
    (tmp_path / "there" / "state").mkdir(parents=True)
    said = invoke("status").stdout.splitlines()
    assert files in said
    assert new not in said
    assert json.loads(invoke("status", "--json").stdout)["is_directory_new"] is False


@pytest.mark.parametrize("command", ["build", "publish", "fix-clock"])
def test_a_command_that_needs_a_warehouse_creates_none(invoke: Invoke, tmp_path: Path, command: str) -> None:
    done = invoke(command)
    assert isinstance(done.exception, ConfigurationError)
    assert done.exception.message == f"There is no warehouse in {tmp_path / 'data'}."
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["sync", "load"])
def test_a_stream_that_does_not_exist_is_refused_before_anything_is_moved(
    invoke: Invoke, tmp_path: Path, command: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sandbox.sqlite3").write_text("the demo's account")
    done = invoke(command, "--streams", "users,invoices")
    assert isinstance(done.exception, ConfigurationError)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["sandbox.sqlite3"]
