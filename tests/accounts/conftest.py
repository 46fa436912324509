"""Two small accounts on servers of their own, and commands in the process of the test; syncs are forked processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from referral_warehouse.cli import cli
from referral_warehouse.cli.accounts import children
from referral_warehouse.settings import Settings, load_settings
from tests.account_server import AccountServer, Row, small_account, user
from tests.conftest import using_models
from tests.kills.forks import forks_with
from tests.operate.conftest import Done, run_in_process

PROGRAM = Path(__file__).with_name("program.py")
"""The program as a script for a new interpreter, as users start it; most tests fork processes instead."""
UK_TOKEN, US_TOKEN = "tok-uk-5e1f0a77c3", "tok-us-91b2c3d4e5"
OURS = ("SOURCES__", "WAREHOUSE__", "NOTIFY__", "ACCOUNTS__", "PRIVACY__", "DESTINATION__")
Run = Callable[..., Done]


def planted(account: str, users: int) -> dict[str, list[Row]]:
    """A small account whose users have a name that no other user of any account has."""
    lists = small_account(users)
    for row in lists["users"]:
        row |= {"first_name": name_of(account, row["id"]), "email": f"{name_of(account, row['id'])}@example.com"}
    for row in (*lists["rewards/due"], *lists["rewards/issued"]):
        name = name_of(account, row["recipient_id"])
        row |= {"recipient_first_name": name, "recipient_email": f"{name}@example.com"}
    return lists


def name_of(account: str, user_id: int) -> str:
    return f"zq7plant{account}{user_id}x"


@pytest.fixture
def uk() -> Iterator[AccountServer]:
    with AccountServer(planted("uk", 4)) as running:
        yield running


@pytest.fixture
def us() -> Iterator[AccountServer]:
    with AccountServer(planted("us", 3)) as running:
        yield running


def environ_of(folder: Path, **servers: AccountServer) -> dict[str, str | None]:
    """The variables of commands for these accounts, by name; None removes one."""
    found: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith(OURS))
    tokens = {"uk": UK_TOKEN, "us": US_TOKEN}
    for name, server in servers.items():
        prefix = f"ACCOUNTS__{name.upper()}__"
        found |= {
            f"{prefix}API_TOKEN": tokens.get(name, f"tok-{name}-0123456789"), f"{prefix}BASE_URL": server.base_url,
            f"{prefix}CALLS_PER_MINUTE": "0",
        }  # fmt: skip
    return found | {
        "HOME": str(folder), "WAREHOUSE__DIR": str(folder / "data"), "COLUMNS": "140",
        "XDG_STATE_HOME": str(folder / "machine"),
    }  # fmt: skip


@pytest.fixture(scope="session")
def synced_once(tmp_path_factory: pytest.TempPathFactory, few_models_folder: Path) -> Path:
    """A warehouse directory after one sync of both accounts."""
    folder = tmp_path_factory.mktemp("accounts")
    said = _after(folder, few_models_folder, ["sync"], users_of_uk=[])
    assert "Snapshot 1 of uk, us published" in said
    return folder / "data"


@pytest.fixture(scope="session")
def changed_once(tmp_path_factory: pytest.TempPathFactory, synced_once: Path, few_models_folder: Path) -> Path:
    """A copy of it, in which uk has user 50 since it was synced and published alone."""
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(synced_once, folder / "data", symlinks=True)
    _after(folder, few_models_folder, ["sync", "--account", "uk", "--part"], users_of_uk=[user(50)])
    return folder / "data"


@pytest.fixture(scope="session")
def two_snapshots_once(tmp_path_factory: pytest.TempPathFactory, changed_once: Path, few_models_folder: Path) -> Path:
    """A copy of that, whose change all accounts have published together, too."""
    folder = tmp_path_factory.mktemp("two")
    shutil.copytree(changed_once, folder / "data", symlinks=True)
    _after(folder, few_models_folder, ["publish"], users_of_uk=[user(50)])
    return folder / "data"


def _after(folder: Path, models: Path, command: list[str], *, users_of_uk: list[Row]) -> str:
    """The output of a command on the directory of both accounts, after ``users_of_uk`` were added; it must succeed."""
    with (
        AccountServer(planted("uk", 4)) as uk, AccountServer(planted("us", 3)) as us,
        using_models(models), pytest.MonkeyPatch.context() as patch,
    ):  # fmt: skip
        uk.lists["users"] += users_of_uk
        patch.setattr(children, "PROGRAM", forks_with(models).program)
        environ = environ_of(folder, uk=uk, us=us)
        result = CliRunner(env=environ).invoke(cli, command, obj={}, standalone_mode=False)
    assert result.exception is None, result.exception
    return result.stdout


@pytest.fixture
def synced(synced_once: Path, together: Settings) -> Settings:
    """The settings of both accounts together, whose directory was synced once."""
    shutil.copytree(synced_once, together.warehouse_dir, symlinks=True)
    return together


@pytest.fixture
def environ(uk: AccountServer, us: AccountServer, tmp_path: Path) -> dict[str, str | None]:
    return environ_of(tmp_path, uk=uk, us=us)


@pytest.fixture
def together(
    environ: dict[str, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_models_folder: Path
) -> Iterator[Settings]:
    """The settings of both accounts together; all builds have few marts."""
    program = forks_with(few_models_folder).program  # begun in the environment of all tests
    for name, value in environ.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(children, "PROGRAM", program)
    with using_models(few_models_folder):
        yield load_settings()


@pytest.fixture
def referrals(together: Settings, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command of ``referrals`` in this process, as ``referral_warehouse.cli.run`` does."""

    def run(*arguments: str, **environ: str | None) -> Done:
        return run_in_process(arguments, environ, capsys)

    return run


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """The rows of a query on a published database."""
    with duckdb.connect(str(path), read_only=True) as connection:
        found: list[tuple[object, ...]] = connection.execute(sql).fetchall()
    return found
