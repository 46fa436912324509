"""A small account, an environment of a test's own, and commands that run in the process of the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from referral_warehouse.cli import cli
from referral_warehouse.cli.exit_codes import report_end
from referral_warehouse.settings import Settings, load_settings
from tests.account_server import AccountServer
from tests.cli.processes import PREFIX
from tests.conftest import using_models
from tests.operate.receiver import Receiver

HOOK, PING = "hook-51b0aa7d9e20", "ping-c3d4e5f60718"


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def account() -> Iterator[AccountServer]:
    with AccountServer() as running:
        yield running


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A server that receives alerts and pings about runs, each at its own address."""
    with Receiver() as running:
        monkeypatch.setenv("NOTIFY__URL", running.url(HOOK))
        monkeypatch.setenv("NOTIFY__PING_URL", running.url(PING))
        yield running


def environ_of(account: AccountServer, folder: Path) -> dict[str, str | None]:
    """The variables of a command; None removes one."""
    foreign = [name for name in os.environ if name.startswith(("SOURCES__", "WAREHOUSE__", "NOTIFY__"))]
    return dict.fromkeys(foreign) | {
        f"{PREFIX}BASE_URL": account.base_url, f"{PREFIX}API_TOKEN": "tok-5e1f0a77c3", "HOME": str(folder),
        f"{PREFIX}CALLS_PER_MINUTE": "0", "WAREHOUSE__DIR": str(folder / "data"), "COLUMNS": "100",
        "XDG_STATE_HOME": str(folder / "machine"),
    }  # fmt: skip


@pytest.fixture(scope="session")
def synced_once(tmp_path_factory: pytest.TempPathFactory, few_models_folder: Path) -> Path:
    """A warehouse directory after one sync of the small account."""
    folder = tmp_path_factory.mktemp("synced")
    with AccountServer() as running, using_models(few_models_folder):
        result = CliRunner(env=environ_of(running, folder)).invoke(cli, ["sync"], obj={}, standalone_mode=False)
    assert result.exception is None, result.exception
    return folder / "data"


@pytest.fixture
def synced(synced_once: Path, settings: Settings) -> Settings:
    """The settings of a directory that was synced once, by its own outcomes too."""
    shutil.copytree(synced_once, settings.warehouse_dir, symlinks=True)
    return settings


@pytest.fixture
def settings(account: AccountServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_models: None) -> Settings:
    """The settings of the commands, which are those of the environment; they build few marts."""
    for name, value in environ_of(account, tmp_path).items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return load_settings()


def run_in_process(
    arguments: Sequence[str], environ: Mapping[str, str | None], capsys: pytest.CaptureFixture[str]
) -> Done:
    """Run a command of ``referrals`` in this process, as ``referral_warehouse.cli.run`` does."""
    state: dict[str, object] = {}
    result = CliRunner(env=environ).invoke(cli, arguments, obj=state, standalone_mode=False)
    if result.exception is None:
        return Done(int(result.return_value or 0), result.stdout, result.stderr)
    capsys.readouterr()
    done = state.get("done")
    code = report_end(result.exception, verbose=False, as_json=False, done=done if isinstance(done, str) else None)
    return Done(code, result.stdout, result.stderr + capsys.readouterr().err)


@pytest.fixture
def referrals(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command of ``referrals`` in this process, as ``referral_warehouse.cli.run`` does."""

    def run(*arguments: str, **environ: str) -> Done:
        return run_in_process(arguments, environ, capsys)

    return run


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    """The directory that backups are made in."""
    return tmp_path / "backups"
