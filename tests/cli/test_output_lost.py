"""Output that cannot be written does not end the work of a command. Real processes, real descriptors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.account_server import AccountServer, small_account, user
from tests.cli.processes import PREFIX
from tests.kills.forks import run_referrals
from tests.sampling import sampled

REFERRALS = f"exec '{sys.executable}' -m referral_warehouse"
LOST = [
    ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full", ">&- 2>/dev/full",
]  # fmt: skip
OPTIONS = ["", "--json", "--log-format json --verbose"]
PACKAGES = Path(__file__).parents[2] / "pipelines"
TYPE = "Émile’s 漢字"
ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def server() -> Iterator[AccountServer]:
    with AccountServer() as running:
        yield running


def environ_of(server: AccountServer, folder: Path, few_models_package: str) -> dict[str, str]:
    """The environment of a command whose directory is ``folder/data``; the server has the small account again."""
    server.lists = small_account()
    server.lists["rewards"][0]["type"] = server.lists["rewards/due"][0]["reward_type"] = TYPE
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SOURCES__", "WAREHOUSE__", "PYTHON", "LC_"))}
    return kept | {
        f"{PREFIX}BASE_URL": server.base_url, f"{PREFIX}API_TOKEN": "output-test-token", "HOME": str(folder),
        f"{PREFIX}CALLS_PER_MINUTE": "0", "WAREHOUSE__DIR": str(folder / "data"),
        "XDG_STATE_HOME": str(folder / "xdg"), "PYTHONPATH": few_models_package,
    }  # fmt: skip


@pytest.fixture
def environ(server: AccountServer, tmp_path: Path, few_models_package: str) -> dict[str, str]:
    return environ_of(server, tmp_path, few_models_package)


def shell(command: str, environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", f"{REFERRALS} {command}"], env=environ, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=120, check=False,
    )  # fmt: skip


def published_users(folder: Path) -> int:
    with duckdb.connect(str(folder / "data" / "warehouse.duckdb"), read_only=True) as connection:
        row = connection.execute("select count(*) from core.users").fetchone()
    return int(row[0]) if row else 0


def is_clean(words: bytes) -> bool:
    return not any(sign in words for sign in (b"Traceback", b"Unexpected error", b"Exception ignored"))


@pytest.fixture(scope="module")
def published_once(
    server: AccountServer, tmp_path_factory: pytest.TempPathFactory, few_models_package: str, few_models_folder: Path
) -> Path:
    folder = tmp_path_factory.mktemp("published")
    environ = environ_of(server, folder, few_models_package)
    run_referrals(["sync"], environ, folder, few_models_folder).check_returncode()
    return folder / "data"


@pytest.fixture
def published(published_once: Path, environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of commands on a copy of a directory that was synced once."""
    shutil.copytree(published_once, tmp_path / "data", symlinks=True)
    return environ


@pytest.mark.parametrize("number", sampled(range(len(LOST)), 1), ids=LOST)
def test_a_sync_that_published_exits_0_wherever_its_output_goes(
    published: dict[str, str], server: AccountServer, tmp_path: Path, number: int
) -> None:
    server.lists["users"].append(user(9))
    done = shell(f"sync {OPTIONS[number % len(OPTIONS)]} {LOST[number]}", published, tmp_path)
    assert done.returncode == 0, done.stderr
    assert is_clean(done.stdout + done.stderr)
    assert published_users(tmp_path) == 4
    if LOST[number] in (">&-", ">/dev/full"):
        assert b"snapshot 2 is published" in done.stderr
        assert b"report could not be printed" in done.stderr
    assert shell(f"sync {LOST[number]}", published, tmp_path).returncode == 0
    assert published_users(tmp_path) == 4, "the files were not written into by anybody's standard output"


@pytest.mark.parametrize(
    "arguments", sampled([["sync"], ["sync", "--json"], ["sync", "--verbose", "--log-format", "text"]], 1)
)
@pytest.mark.parametrize("lost", sampled(["stdout", "stderr", "both"], 1))
def test_a_sync_whose_reader_has_gone_away_exits_0(
    published: dict[str, str], server: AccountServer, tmp_path: Path, arguments: list[str], lost: str
) -> None:
    server.lists["users"].append(user(9))
    read_end, write_end = os.pipe()
    os.close(read_end)
    out = write_end if lost in ("stdout", "both") else subprocess.PIPE
    err = write_end if lost in ("stderr", "both") else subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-m", "referral_warehouse", *arguments], env=published, cwd=tmp_path, stdout=out, stderr=err
    )
    os.close(write_end)
    words = b"".join(part for part in process.communicate(timeout=120) if part)
    assert process.returncode == 0, words
    assert is_clean(words)
    assert published_users(tmp_path) == 4


@pytest.mark.parametrize(
    "changes",
    sampled(
        [{"PYTHONIOENCODING": name} for name in ("latin-1", "ascii", "ascii:strict", "cp437", "utf-16")]
        + [ASCII_LOCALE],
        1,
    ),
    ids=str,
)
def test_an_encoding_that_lacks_characters_ends_nothing(
    published: dict[str, str], server: AccountServer, tmp_path: Path, changes: dict[str, str]
) -> None:
    server.lists["users"].append(user(9))
    there = published | changes
    done = shell("sync", there, tmp_path)
    assert done.returncode == 0, done.stderr
    encoding = changes.get("PYTHONIOENCODING", "ascii").partition(":")[0]
    others = ("docs", "strikes", "check", "build", "load", "publish", "sync --help")
    for command in ("status", "status --json", *(others if changes is ASCII_LOCALE else ())):
        done = shell(command, there, tmp_path)
        assert done.returncode == 0, (command, done.stderr)
        assert is_clean(done.stderr)
        shown = done.stdout.decode("utf-8" if command.endswith("--help") else encoding)
        if command == "status":
            assert "Snapshot 2 of" in shown
            assert ("\\u6f22" in shown) == (encoding != "utf-16"), "what cannot be shown is spelled out"
        if command == "status --json":
            assert json.loads(shown)["liability"][0]["reward_type"] == TYPE
    wrong = shell("build --no-such-option-\u6f22", there, tmp_path)
    assert wrong.returncode == 2
    assert is_clean(wrong.stderr)


OTHERS = ("status --json", "strikes", "check")
REPORTS = ["status", "docs", *(pytest.param(command, marks=pytest.mark.full) for command in OTHERS)]
"""A short one, a long one, and others."""


@pytest.mark.parametrize("command", [*REPORTS, "--help"])
def test_a_reader_that_stops_reading_ends_a_command_without_an_error(
    published: dict[str, str], tmp_path: Path, command: str
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = subprocess.Popen(
        [sys.executable, "-m", "referral_warehouse", *command.split()], env=published, cwd=tmp_path, stdout=write_end,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(write_end)
    _, words = process.communicate(timeout=120)
    assert (process.returncode, words) == (0, b"")


def test_a_listing_ends_when_its_reader_does(published: dict[str, str], tmp_path: Path) -> None:
    from referral_warehouse.sandbox import Sandbox

    with Sandbox(path=tmp_path / "world.sqlite3", users=500, calls_per_minute=0) as world:
        world.advance(days=30)
    for command in (f"sandbox --events --file {tmp_path / 'world.sqlite3'}", "status", "docs"):
        process = subprocess.Popen(
            [sys.executable, "-m", "referral_warehouse", *command.split()], env=published, cwd=tmp_path,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10)
        process.stdout.close()
        words = process.stderr.read()
        process.stderr.close()
        assert (process.wait(timeout=120), words) == (0, b""), command


@pytest.mark.parametrize("command", REPORTS)
def test_a_report_that_does_not_fit_on_the_disk_is_an_error_in_words(
    published: dict[str, str], tmp_path: Path, command: str
) -> None:
    done = shell(f"{command} >/dev/full", published, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(b"referrals: The output could not be written (No space left on device).")
    assert done.stderr.count(b"\n") == 1
    assert shell(f"{command} >&-", published, tmp_path).returncode == 0


@pytest.mark.parametrize("lost", sampled(LOST, 3))
def test_errors_keep_their_code_where_they_cannot_be_printed(
    environ: dict[str, str], tmp_path: Path, lost: str
) -> None:
    assert shell(f"build {lost}", environ, tmp_path).returncode == 2
    assert shell(f"sync --no-such-option {lost}", environ, tmp_path).returncode == 2


def test_a_slow_reader_of_a_pipe_that_does_not_block_gets_everything(published: dict[str, str], tmp_path: Path) -> None:
    """Some programs start others with pipes that do not block: a full one is no failure."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    process = subprocess.Popen(
        [sys.executable, "-m", "referral_warehouse", "docs"], env=published | {"PYTHONPATH": str(PACKAGES)},
        cwd=tmp_path, stdout=write_end, stderr=write_end,
    )  # fmt: skip
    os.close(write_end)
    with os.fdopen(read_end, "rb", buffering=0) as pipe:
        whole = b"".join(iter(lambda: pipe.read(512), b""))
    assert process.wait(timeout=120) == 0
    assert whole == (PACKAGES.parent / "sql" / "DICTIONARY.md").read_bytes()
